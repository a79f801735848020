r"""The model card: what the model is, was trained on, can do and must not be used for; figures come from the run.

python -m recipes.nano.card --model graft/models/nano --scores nano.json --baseline extractive.json \
        --training "3,800 steps, …" --extras extras.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from graft.generation.prompts import CONTRACT
from recipes.nano.evaluate import Score, abstention_f1, table
from recipes.nano.model import Shape

TEXT = """---
license: cc-by-sa-4.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# graft-nano

A small language model that reads. Given numbered passages it copies the answer, cites the passage as `[n]`, and says
`I don't know.` when the passages do not tell. It knows next to nothing about the world and is meant to be small: it
makes GRAFT work offline, in tests, in the documentation, and on two cores.

- Architecture: Llama decoder, {parameters:.1f} M parameters ({layers} layers, width {hidden}, {heads} heads, feed-forward
  {ffn}, tied embedding), context {context} tokens, bf16, {size:.1f} MB. Byte-level BPE with {vocab} cased tokens, every
  digit its own token, no space or quotation mark joined to a capital: a name is the same tokens wherever it stands.
- Made by `python -m recipes.nano.run` from nothing: {training}

## Prompt
System: `{contract}`, then, on a new line, any style ("Answer in a full sentence.", "Reply in JSON with the keys answer
and source."). User: the numbered passages and `Question: …`, as `graft.generation.prompts` writes them. The chat template is in the
tokenizer. Greedy decoding; the end of turn is `<|end|>`.

## Figures
Greedy, {dtype}; one question a prompt. EM and F1 are SQuAD's, over answerable questions, an abstention counting 0.
"Cited": the gold passage and no other. "Refused" is over-refusal where the passages tell, abstention recall where they do
not. "Programmatic" documents are fresh and use kinds of thing, attributes and wordings that training never saw;
"as in training" means fresh documents in wordings that it did see. The extractive baseline
quotes the sentence that shares most with the question, so its EM is low by construction: compare F1.

{table}

Abstention F1: {abstention}.

{extras}
## Data and licences
- Most of the training text is programmatic, written by this recipe (Apache-2.0): documents, tables, records, letters and
  questions about them, with invented names.
- Questions and wordings written for this project with a large language model, not drawn from any data set: kinds of thing and
  their wordings (`recipes/nano/data/written`; Apache-2.0), and questions about passages of the train files
  below (`asked-*.txt` there), whose answers were checked by program to stand in the passage.
- Cloze questions and language modelling over `prose` (public domain, CC0, MIT, Apache-2.0, BSD, CC BY, CC BY-SA; each
  text's source is listed with the data) and over the passages of the train questions below.
- Train splits only of: SQuAD 2.0 subset (CC BY-SA 4.0), Natural Questions oracle subset (MIT; text CC BY-SA 3.0), COVID-QA
  (Apache-2.0; articles CC BY), CLAPnq (Apache-2.0; text CC BY-SA), HotpotQA (CC BY-SA 4.0), P3 mixture (MIT, CC BY 4.0, CC
  BY-SA per row), self-instruct seed tasks (Apache-2.0), GSM8K (MIT), Snips (CC0 1.0). Passages that share 60 characters
  with squad-xquad's were left out.
- Word vectors of all-MiniLM-L6-v2 (Apache-2.0) are a target of the early layers (`recipes/nano/data/meanings.py`).
- Some sources are share-alike; the weights are therefore offered under CC BY-SA 4.0. The recipe's code is Apache-2.0.
- No dev or test split, and nothing of the project's example handbook, was trained on.

## Limits: not for
- Facts without passages: it is taught to decline, and what it says instead is made up.
- Decisions about people, health, money or law; anything where a wrong copy does harm without a person checking the citation.
- Arithmetic, reasoning over several passages, languages other than English, prompts beyond {context} tokens.
- It was trained on old books and web questions and carries their biases; invented names are English-like.
"""


def parameters(shape: Shape) -> int:
    """Count the weights (the tied head once)."""
    layer = 4 * shape.hidden**2 + 3 * shape.hidden * shape.ffn + 2 * shape.hidden
    return shape.vocab * shape.hidden + shape.layers * layer + shape.hidden


def write(
    path: Path,
    shape: Shape,
    training: str,
    scores: dict[str, Score],
    baseline: dict[str, Score],
    *,
    extras: str = "",
    dtype: str = "as the product loads it (fp32, prompts read in bf16)",
) -> None:
    """Write the card beside the weights."""
    pairs = (
        ("programmatic, 5 passages", "programmatic, 5 passages, untold"),
        ("the same, wordings as in training", "the same, as in training, untold"),
        ("clapnq dev", "clapnq dev, untold"),
        ("squad2 dev", "squad2 dev, untold"),
    )
    found = [f"{a} {abstention_f1(scores[a], scores[b])}" for a, b in pairs if a in scores and b in scores]
    size = sum(f.stat().st_size for f in path.parent.iterdir() if f != path) / 1e6
    text = TEXT.format(
        **shape.as_dict(),
        parameters=parameters(shape) / 1e6,
        size=size,
        training=training,
        contract=CONTRACT,
        table=table(scores, baseline),
        abstention=", ".join(found),
        extras=extras and extras.strip() + "\n",
        dtype=dtype,
    )
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="the folder of the weights")
    parser.add_argument("--scores", type=Path, required=True, help="what evaluate wrote for the model")
    parser.add_argument("--baseline", type=Path, required=True, help="what evaluate wrote for extractive")
    parser.add_argument("--training", required=True, help="one sentence on the run")
    parser.add_argument("--extras", type=Path, default=None, help="Markdown to put behind the figures")
    args = parser.parse_args()
    config = json.loads((args.model / "config.json").read_text(encoding="utf-8"))
    shape = Shape(
        config["vocab_size"],
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["intermediate_size"],
        config["max_position_embeddings"],
        config["rope_parameters"]["rope_theta"],
    )
    scores, baseline = (
        {name: Score(**row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}
        for path in (args.scores, args.baseline)
    )
    extras = args.extras.read_text(encoding="utf-8") if args.extras else ""
    write(args.model / "README.md", shape, args.training, scores, baseline, extras=extras)


if __name__ == "__main__":
    main()
