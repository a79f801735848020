"""The base model's recipe on a toy: seconds, one core, offline, no data folder."""

# ruff: noqa: E402  (the recipe needs torch: skip before importing it)
import gzip
import json
import os
import random
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

import numpy as np

from graft.generation import prompts
from graft.types import Message
from recipes.nano import circuit, export, plan, run, train
from recipes.nano.attention import attend
from recipes.nano.averaging import average
from recipes.nano.data import corpora, events, stream, tokenizer
from recipes.nano.data.cloze import clozes
from recipes.nano.data.corpora import Reading
from recipes.nano.data.documents import Passage
from recipes.nano.data.forms import SENTENCE, UNKNOWN, Reply, announced, draw_system
from recipes.nano.data.meanings import Meanings
from recipes.nano.data.questions import Turn, make_chat, to_chat
from recipes.nano.data.quoting import quoting_chat
from recipes.nano.data.reading import reading_chat
from recipes.nano.data.relations import MODIFIERS, OPEN_ASKED, OPEN_SAID, Relation, catalogue
from recipes.nano.data.stream import ANSWER, CITING, NOTHING, NOWHERE, OPENING, REFUSING
from recipes.nano.data.wordings import ASK_CORES, SAID_CORES
from recipes.nano.growing import grow
from recipes.nano.model import MEANING_WIDTH, Nano, Shape

DATA = Path(os.environ.get("GRAFT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
TINY = Shape(vocab=512, hidden=64, layers=2, heads=1, ffn=64, context=256)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """One thread here; and the smallest floats, which the recipe's training flushes to zero, back for the tests after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def words():
    texts = ["\n".join(m.content for m in make_chat(random.Random(s), "train", 2, 3)[0]) for s in range(60)]
    return tokenizer.train_tokenizer(texts, 512)


@pytest.fixture(scope="module")
def sources(words):
    return {"worlds": stream.programmatic(words)}


STAGE = (plan.Stage(1.0, ((1.0, 2, 256),), {"worlds": 1.0}),)


def make(sources):
    return lambda step, progress: plan.batch_at(7, step, progress, sources, STAGE)


WRITTEN = sorted(corpora.WRITTEN.glob("asked-*.txt"))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_written_questions_are_well_formed_and_asked_once_of_a_passage(path):
    head, *blocks = path.read_text(encoding="utf-8").split("\n= ")
    assert "licences" in head
    keys = [block.split("\n", 1)[0] for block in blocks]
    assert len(set(keys)) == len(keys)
    for block in blocks:
        key, *lines = block.strip().split("\n")
        own = lines[0].startswith("> ")
        assert own or re.fullmatch(r"[a-z0-9-]+:[^#]+(#\d+)?", key)
        asked = [line.rpartition(" | ") for line in lines[own:]]
        assert all(question and answer and "|" not in question for question, _, answer in asked), key
        assert len({question for question, _, _ in asked}) == len(asked), key


def test_a_written_question_without_its_answer_in_the_passage_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "clapnq").mkdir()
    with gzip.open(tmp_path / "clapnq" / "corpus.jsonl.gz", "wt") as out:
        out.write(json.dumps({"id": "a", "title": "T", "text": "One.\n\nThe mill was built in 1902."}) + "\n")
    (tmp_path / "asked-x.txt").write_text(
        "licences\n\n= clapnq:a#1\nsince when is there a mill | 1902\nWho built it? | -\nWhere? | Oslo\n"
        "\n= clapnq:a\nWhat comes first? | One\n\n= clapnq:gone\nWhat? | One\n\n= Rules\n> No dogs.\nwhat must stay out | dogs\n"
    )
    monkeypatch.setattr(corpora, "WRITTEN", tmp_path)
    assert list(corpora._written(tmp_path)) == [
        corpora.Reading(
            "T",
            "The mill was built in 1902.",
            (("since when is there a mill", "1902"), ("Who built it?", None)),
        ),
        corpora.Reading("T", "One.\n\nThe mill was built in 1902.", (("What comes first?", "One"),)),
        corpora.Reading("Rules", "No dogs.", (("what must stay out", "dogs"),)),
    ]


def test_written_questions_are_about_no_passage_of_a_dev_question():
    if not (DATA / "nq-oracle").is_dir():
        pytest.skip("the public sets are not here; set GRAFT_SHARED_DATA")
    keys = {
        block.split("\n", 1)[0].split("#")[0]
        for path in WRITTEN
        for block in path.read_text().split("\n= ")[1:]
    }
    for name in ("nq-oracle", "hotpotqa", "clapnq", "squad2", "covid-qa"):
        dev = {
            f"{name}:{document}"
            for row in corpora.rows(DATA / name / "queries-dev.jsonl.gz")
            for field in ("relevant", "context_ids")
            for document in row.get(field) or ()
        }
        assert dev
        assert not dev & keys


def test_generator_is_deterministic():
    one, two, other = (make_chat(random.Random(s), "train", 3, 4)[0] for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_generator_does_not_depend_on_the_process():
    code = (
        "import random, zlib; from recipes.nano.data.questions import make_chat; "
        "print([zlib.crc32(str(make_chat(random.Random(s), 'train', 4, 3)).encode()) for s in range(25)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_the_test_wordings_are_disjoint_from_training():
    def bare(forms):  # whatever the things are called
        return {re.sub(r"\{\w\}", "@", form.lower()) for form in forms}

    told, asked = (
        [f for frame in events.frames() for f in frame.told],
        [q for frame in events.frames() for qs in frame.asked.values() for q in qs],
    )
    forms = {
        s: bare(f for k in catalogue(s) for r in k.relations for f in (*r.said, *r.asked))
        for s in ("train", "dev", "test")
    }
    kinds = {s: {k.name for k in catalogue(s)} for s in ("train", "dev", "test")}
    for one, other in (("train", "test"), ("train", "dev"), ("dev", "test")):
        assert not forms[one] & forms[other]
        assert not kinds[one] & kinds[other]
    assert not bare([*told, *asked]) & (forms["test"] | forms["dev"])
    for both in (OPEN_SAID, OPEN_ASKED, MODIFIERS):
        assert not set(both["train"]) & set(both["test"])
    test_general = " ".join(OPEN_SAID["test"] + OPEN_ASKED["test"]).lower()
    assert not [core for core in (*SAID_CORES, *ASK_CORES) if len(core) > 16 and core.lower() in test_general]


def test_prompts_are_the_products_own():
    chat, _ = make_chat(random.Random(3), "train", 2, 3)
    user = next(m for m in chat if m.role == "user")
    assert user.content.startswith(prompts.PASSAGES_HEADING + "\n\n[1]")
    assert "\n\n" + prompts.QUESTION_PREFIX in user.content
    assert UNKNOWN == prompts.ABSTENTION


def test_default_answers_copy_from_the_passage_they_cite():
    checked = 0
    for seed in range(40):
        chat, turns = make_chat(random.Random(seed), "train", 3, 3)
        if chat[0].content != prompts.CONTRACT or not turns[0].learnt:  # a style of its own, announced or not
            continue
        first = next(m.content for m in chat if m.role == "user")
        blocks = first.split("\n\n[")[1:]
        for turn in turns:
            if turn.value is None:
                assert turn.answer == UNKNOWN
                continue
            assert turn.answer == f"{turn.value} [{turn.place + 1}]"
            text = first.split(f"\n\n[{turn.place + 1}]")[1]
            assert turn.value.lower() in text.lower()
            checked += 1
        assert blocks
    assert checked > 50


def test_loss_falls_on_answers_and_their_end_of_turn_only(words):
    chat = [Message("system", "s"), Message("user", "Question: who?"), Message("assistant", "Ada [1]")] * 2
    chat = chat[:3] + chat[4:]
    encoded = stream.encode_chat(words, chat, 250)
    end = words.token_to_id(tokenizer.END)
    spans = "".join("a" if a else "." for a in encoded.answer).strip(".").split(".")
    answers = [s for s in spans if s]
    assert len(answers) == 2
    picked = [i for i, a in zip(encoded.ids, encoded.answer, strict=True) if a]
    assert words.decode(picked, skip_special_tokens=True) == "Ada [1] Ada [1]"
    assert picked.count(end) == 2
    fast = tokenizer.wrap(words, 256)
    messages = [{"role": m.role, "content": m.content} for m in chat]
    by_template = fast.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    assert by_template["input_ids"] == encoded.ids
    assert [bool(m) for m in by_template["assistant_masks"]] == [a > 0 for a in encoded.answer]


def test_rows_hold_one_sample_and_picked_positions_are_answers_first(sources):
    batch = make(sources)(0, 0.0)
    assert batch.ids.shape == batch.target.shape == batch.role.shape
    for ids, target, role in zip(batch.ids, batch.target, batch.role, strict=True):
        n = int((role != NOTHING).sum())
        assert (role[:n] != NOTHING).all()  # one piece, padding only behind it
        assert (ids[1:n] == target[: n - 1]).all()
    settings = train.Settings(steps=1, picked=0.5)
    pick, target, weight = train.pick_positions(batch, settings, 0)
    roles = batch.role.ravel()[pick.numpy()]
    assert (roles >= ANSWER).sum() == (batch.role >= ANSWER).sum()
    assert weight[torch.from_numpy(roles == NOTHING)].sum() == 0
    assert float(weight[torch.from_numpy(roles >= ANSWER)].sum()) == pytest.approx(1.0)
    assert (target.numpy() == batch.target.ravel()[pick.numpy()]).all()


def trained(folder, make_batch, **settings):
    torch.manual_seed(0)
    model = Nano(TINY)
    plan_ = train.Settings(steps=6, warmup=2, **settings)
    train.train(model, plan_, make_batch, folder, compiled=False, log=lambda _: None)
    return model


def killed_at(stop, make_batch):
    def batch(step, progress):
        if step == stop:
            raise KeyboardInterrupt
        return make_batch(step, progress)

    return batch


def test_resume_equals_an_unbroken_run(tmp_path, sources):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    one = trained(whole, make(sources))
    with pytest.raises(KeyboardInterrupt):
        trained(broken, killed_at(3, make(sources)), save_every=0.0)
    assert torch.load(broken / "checkpoint.pt", weights_only=True)["step"] == 3
    two = trained(broken, make(sources))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_loss_falls(tmp_path, sources):
    lines = []
    model = Nano(TINY)
    batch = make(sources)(0, 0.0)
    train.train(
        model,
        train.Settings(steps=30, warmup=3),
        lambda *_: batch,
        tmp_path,
        compiled=False,
        log=lines.append,
    )
    assert json.loads(lines[-1])["step"] == 30
    settings = train.Settings(steps=1)
    picks = train.pick_positions(batch, settings, 0)
    points, headings = (train.point_positions(batch, p, settings, 0) for p in (batch.points, batch.headings))
    words = train.tell_meanings(batch, None, settings, 0)
    with torch.no_grad():
        fitted = model.loss(torch.from_numpy(batch.ids), picks, points, headings, words)[0]
        fresh = Nano(TINY).loss(torch.from_numpy(batch.ids), picks, points, headings, words)[0]
    assert fitted < 0.7 * fresh


SHARED_STEP = """
import sys, time, torch
from pathlib import Path
from recipes.nano.crew import join
crew = join("cpu")
with crew.first_alone():
    found = Path(sys.argv[1]).exists()
    time.sleep(0.2 * (1 - crew.rank))
    Path(sys.argv[1]).touch()
model = torch.nn.Linear(2, 1, bias=False)
model.weight.grad = torch.tensor([[1.0, 10.0]]) * (crew.rank + 1)
asked = [crew.average(model, stop=wish) for wish in (False, crew.rank == 1)]
print(crew.rank, crew.size, found, model.weight.grad.tolist(), asked)
"""


def test_processes_average_their_gradients_and_stop_together(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, "-c", SHARED_STEP, str(tmp_path / "left")], env={**os.environ, **address, "RANK": str(rank)},
                         stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in started]
    assert said == [f"{rank} 2 {bool(rank)} [[1.5, 15.0]] [False, True]\n" for rank in range(2)]


def test_each_process_reads_rows_of_its_own(sources):
    first, second = (plan.batch_at(7, 0, 0.0, sources, STAGE, rank) for rank in (0, 1))
    both = stream.make_batch(7, 0, 4, 256, [(1.0, sources["worlds"])])
    assert (np.concatenate((first.ids, second.ids)) == both.ids).all()


def test_a_grown_network_computes_the_same():
    torch.manual_seed(0)
    small = Nano(replace(TINY, layers=4))
    with torch.no_grad():
        for p in small.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    large = Nano(replace(TINY, ffn=192, layers=6))
    grow(small, large)
    assert torch.equal(large.blocks[5].q_proj.weight, small.blocks[3].q_proj.weight)  # what points stays last
    ids = torch.randint(5, 512, (2, 40))
    with torch.no_grad():
        assert torch.allclose(small(ids), large(ids), atol=1e-5)
    with pytest.raises(ValueError, match="cannot grow from hidden 64 to 128"):
        grow(small, Nano(replace(TINY, hidden=128)))
    with pytest.raises(ValueError, match="does not fit into"):
        grow(large, Nano(TINY))


def test_the_mean_of_two_networks_lies_between_them():
    torch.manual_seed(0)
    one, other = Nano(TINY), Nano(TINY)
    wanted = [0.25 * p + 0.75 * q for p, q in zip(one.parameters(), other.parameters(), strict=True)]
    made = average(one, other, 0.75)
    assert all(torch.allclose(p, q, atol=1e-7) for p, q in zip(made.parameters(), wanted, strict=True))
    with pytest.raises(ValueError, match="does not fit into"):
        average(Nano(replace(TINY, layers=3)), one, 0.5)


def test_the_mean_with_a_network_that_has_grown_begins_at_the_smaller_one():
    torch.manual_seed(0)
    small, large = Nano(TINY), Nano(replace(TINY, layers=3, ffn=128))
    with torch.no_grad():
        for p in [*small.parameters(), *large.parameters()]:
            p.add_(torch.randn_like(p) * 0.1)
        ids = torch.randint(5, 512, (2, 40))
        assert torch.allclose(average(small, large, 0.0)(ids), small(ids), atol=1e-5)
        assert torch.allclose(average(small, large, 1.0)(ids), large(ids), atol=1e-5)


def test_planted_heads_copy_before_any_training():
    torch.manual_seed(0)
    shape = Shape(vocab=512, hidden=256, layers=2, heads=4, ffn=64, context=256)
    ids = torch.randint(5, 512, (2, 40)).repeat(1, 2)

    def copied(model):
        with torch.no_grad():
            logits = model(ids) @ model.embed.T
        return float((logits[:, 40:-1].argmax(-1) == ids[:, 41:]).float().mean())

    planted = Nano(shape)
    circuit.plant_copying(planted)
    assert copied(planted) > 0.5 > 0.1 > copied(Nano(shape))
    for block in planted.blocks:  # a channel that is zero in both would never be learnt
        assert (block.q_proj.weight.norm(dim=1) + block.k_proj.weight.norm(dim=1) > 0).all()


def test_exported_model_gives_the_same_logits(tmp_path, words):
    torch.manual_seed(1)
    model = run.new_model(Shape(vocab=512, hidden=128, layers=2, heads=2, ffn=128, context=256), 0)
    ids = torch.randint(5, 512, (2, 50))
    llama = export.to_llama(model, words, torch.float32)
    with torch.no_grad():
        ours = model(ids) @ model.embed.T
        theirs = llama(ids).logits
    assert torch.allclose(ours, theirs, atol=1e-4)
    export.export(model, words, tmp_path)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.vocab_size == 512
    assert AutoTokenizer.from_pretrained(tmp_path).eos_token == tokenizer.END


def test_pointers_lead_to_the_value_in_the_cited_passage(sources, words):
    checked = 0
    batches = [make(sources)(step, 0.0) for step in range(4)]
    for batch, (at, places) in [(b, point) for b in batches for point in b.points]:
        row, begin = divmod(at, batch.ids.shape[1])
        if places == NOWHERE:
            assert batch.role[row, begin] == REFUSING
            continue
        assert batch.role[row, begin] in (OPENING, CITING)
        number = {  # of the passage in which a value stands
            at % batch.ids.shape[1]: words.decode([int(batch.ids[row, there])])
            for at, (there,) in batch.headings
            if at // batch.ids.shape[1] == row
        }
        said = words.decode(batch.target[row, begin : begin + 3].tolist()).strip()
        for place in places:
            assert place < begin
            there = words.decode(batch.ids[row, place : place + 3].tolist()).strip()
            assert there[:1].lower() == said[:1].lower() or said[:1] == number[place]
            checked += 1
    assert checked >= 5


def test_an_answer_points_from_where_its_value_and_its_citation_begin(words):
    passages = [Passage("", (), "Bo lives in Rome."), Passage("", (), "Ada lives in Oslo. She likes tea.")]
    turns = [
        Turn("Where?", "Oslo [2]", "Oslo", 1),
        Turn("What?", '{"a": "tea"}', "tea", 1),
        Turn("Who?", UNKNOWN, None, None),
    ]
    encoded = stream.encode_chat(words, to_chat(None, passages, turns)[0], 400, turns)

    def text(at, many=3):
        return words.decode(encoded.ids[at : at + many]).lstrip().lower()

    found = [point for point in encoded.points if point[1] != NOWHERE]
    refusing = [at for at, places in encoded.points if places == NOWHERE]
    assert [encoded.answer[at + 1] for at in refusing] == [REFUSING] * len(refusing) != []
    oslo, citation, tea = found[:-2], found[-2], found[-1]
    assert len({places for _, places in found}) == 2
    assert {text(at + 1)[:1] for at, _ in oslo} == {text(oslo[0][1][0])[:1]} == {"o"}
    assert text(citation[0] + 1)[:1] == "2"
    assert citation[1] == oslo[0][1]
    assert text(tea[0] + 1)[:1] == text(tea[1][0])[:1] == "t"
    assert [at for at, _ in encoded.headings] == [oslo[0][1][0], tea[1][0]]
    assert {text(number, 1) for _, (number,) in encoded.headings} == {"2"}


def test_a_name_is_the_same_tokens_whatever_stands_before_it(words):
    texts = ["\n".join(m.content for m in make_chat(random.Random(s), "train", 2, 3)[0]) for s in range(200)]
    learnt = tokenizer.train_tokenizer(texts, 900)
    assert not [t for t in learnt.get_vocab() if re.match(r"Ġ+[A-Z0-9$\"]", t)]
    for value in ("Oslo", "Ada B. Brown", "AB-1234", "$1,200", "12 May 2024"):
        alone = learnt.encode(value).tokens
        for before in (" ", '"', "(", "| ", "\n", ': "', "["):
            tokens = learnt.encode(before + value).tokens
            assert tokens[-len(alone) :] == alone


def test_attention_equals_pytorchs_own_with_gradients():
    torch.manual_seed(0)
    for heads, length in ((3, 40), (20, 300), (2, 520)):
        q, k, v = (torch.randn(heads, length, 8, requires_grad=True) for _ in range(3))
        weight = torch.randn(heads, length, 8)
        ours = attend(q * 8**-0.5, k, v)[0]
        theirs = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[
            0
        ]
        assert torch.allclose(ours, theirs, atol=1e-5)
        got, wanted = (torch.autograd.grad((o * weight).sum(), (q, k, v)) for o in (ours, theirs))
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(got, wanted, strict=True))


def test_an_answer_in_a_form_that_nothing_announces_is_not_learnt_from(words):
    hidden = [s for s in range(200) if not make_chat(random.Random(s), "train", 2, 3)[1][0].learnt]
    assert 5 < len(hidden) < 40  # a fifth of the two in five that have a style
    chat, turns = make_chat(random.Random(hidden[0]), "train", 2, 3)
    assert all(t.learnt for t in turns[1:])
    encoded = stream.encode_chat(words, chat, 100_000, turns)
    spans = "".join("a" if a else "." for a in encoded.answer).strip(".").split(".")
    assert len([s for s in spans if s]) == len(turns) - 1


def test_house_styles_and_json_are_asked_for_and_keep_the_value():
    forms = 0
    for seed in range(300):
        system, form = draw_system(random.Random(seed), unstyled=0.0)
        reply = Reply(Relation("fee", "money", ("The fee of {e} is {v}.",), ()), "Oslo Hall", "$5", 1)
        said = form(reply)
        assert "$5" in said
        if not announced(system, form):
            continue
        instruction = system.split("\n", 1)[1]
        if "{" in instruction and instruction.endswith("}") and said.startswith("{"):
            body, asked = json.loads(said), json.loads(instruction[instruction.index("{") :])
            if set(body) == set(asked):
                assert list(body) == list(asked)
                forms += 1
    assert forms > 20


def test_a_full_sentence_of_real_text_is_the_one_that_holds_the_answer():
    told = "The mill was sold in 1911. Anna Berg bought it with her sister. Its wheel still turns."
    asked = Reading("", told, (("Who bought the mill?", "Anna Berg"), ("Who built it?", None)))
    others = [Reading(f"Note {i}", f"Item {i} is here. " * 9, (("What?", f"Item {i}"),)) for i in range(2)]
    said = set()
    for seed in range(400):
        chat, turns = reading_chat(random.Random(seed), [asked, *others], 900)
        if any(line in SENTENCE for line in chat[0].content.split("\n")[1:]):
            said |= {
                (t.value, t.answer[:-4]) for t in turns if t.question == "Who bought the mill?" and t.value
            }
    assert said == {("Anna Berg", "Anna Berg bought it with her sister.")}


def test_quoted_words_are_the_words_that_were_given():
    text = (
        "The old mill burnt down, and her house with it. Nobody was hurt, they said, but the dog had run off."
    )
    begins = set()
    for seed in range(60):
        for turn in quoting_chat(random.Random(seed), [("", text)], 600)[1]:
            said, given = (re.findall(r"[A-Za-z]{2,}", part) for part in (turn.answer, turn.question))
            assert len(said) >= 4
            assert given[-len(said) :] == said
            begins.add(turn.answer[0])
    assert begins >= {"[", "{", '"', "'", "<", "(", "|"}


def test_numbers_are_single_digits(words):
    assert [t for t in words.encode("$1,200").tokens if t.isdigit()] == ["1", "2", "0", "0"]


def test_cloze_answers_stand_in_the_text():
    text = (
        "The unit was named the tesla in 1960 in honour of Nikola Tesla. John Bardeen is the only laureate to win the "
        "prize twice. The committee met in Paris on 4 May 1961 and heard 230 speakers."
    )
    made = [c for seed in range(20) for c in clozes(random.Random(seed), text, 6)]
    assert len({c.answer for c in made}) >= 5
    assert all(c.answer in text and c.answer not in c.question for c in made)
    assert np.mean([c.question.endswith("?") for c in made]) > 0.3


def test_meanings_are_told_at_the_last_token_of_known_words_only(words):
    text = "The annual fee of Osloport is 500 kroner, charges excluded."
    ids = np.array([words.encode(text, add_special_tokens=False).ids])
    ids = np.pad(ids, ((0, 1), (0, 256 - ids.shape[1])))  # a second row that holds no word
    pieces = tuple(words.id_to_token(i).replace("Ġ", " ") if i > 4 else "\n" for i in range(512))
    vectors = np.eye(3, MEANING_WIDTH, dtype=np.float32)
    known = Meanings(vectors, {"fee": 0, "charges": 1, "port": 2}, pieces)
    positions, found = known.pick(ids, "seed")
    told = {
        (words.decode(ids[0, : at + 1].tolist()).strip(), word)
        for at, word in zip(positions, found, strict=True)
        if word >= 0
    }
    assert told == {("The annual fee", 0), ("The annual fee of Osloport is 500 kroner, charges", 1)}
    assert (found[16:] == -1).all()  # of the second row
    settings = train.Settings(steps=1)
    batch = stream.Batch(ids[:, :-1], ids[:, 1:], np.zeros((2, 255), dtype=np.int8))
    shown = train.tell_meanings(batch, known, settings, 0)
    assert set(shown.vector.sum(1).tolist()) == {0.0, 1.0}
