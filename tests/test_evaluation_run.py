"""Runs: resumed, capped, and honest about failures and time."""

from __future__ import annotations

import json
import time

import pytest

from graft.errors import BackendError, BudgetExceeded, EndpointError, Mismatch
from graft.evaluation.run import OUTAGE, Latencies, read_latencies, run, time_answers
from graft.types import Answer, Message, Question, Row


class Recorder:
    """An answerer that repeats the question, and fails, stops or charges on demand."""

    name, fingerprint = "recorder", "1"

    def __init__(self, *, fail=(), error=BackendError, die_at=None, cost=None):
        self.fail, self.error, self.die_at, self.cost, self.asked = set(fail), error, die_at, cost, []

    def answer_batch(self, questions):
        texts = [turns[-1].content for turns in questions]
        if self.die_at is not None and len(self.asked) + len(texts) > self.die_at:
            raise KeyboardInterrupt
        if self.fail.intersection(texts):
            raise self.error("It broke.")
        self.asked += texts
        return [
            Answer(text, "recorder", cost=self.cost, timings={"decode": 0.5, "total": 9.0}) for text in texts
        ]


def make(n):
    return [Question(f"q{number}", (Message("user", f"text {number}"),), ("x",)) for number in range(n)]


def go(answerer, questions, folder, **changes):
    return run(answerer, questions, folder, **{"batch_size": 4, "latency_questions": 2, **changes})


def lines(folder):
    return [json.loads(line)["question"] for line in (folder / "rows.jsonl").read_text().splitlines()]


def test_a_row_a_question_in_their_order(tmp_path):
    questions, told = make(6), []
    rows = go(Recorder(), questions, tmp_path, progress=lambda *state: told.append(state))
    assert [(row.question, row.status, row.answer.text) for row in rows] == [
        (f"q{n}", "ok", f"text {n}") for n in range(6)
    ]
    assert lines(tmp_path) == [f"q{n}" for n in range(6)]
    assert ("recorder", 4, 6) in told
    assert told[-1] == ("recorder, one at a time", 2, 2)


def test_a_complete_run_asks_nothing(tmp_path):
    first = go(Recorder(), make(6), tmp_path)
    silent = Recorder(die_at=0)
    assert go(silent, make(6), tmp_path) == first
    assert read_latencies(tmp_path).samples[0]["decode"] == 0.5


def test_a_killed_run_continues_and_repeats_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        go(Recorder(die_at=9), make(12), tmp_path)
    assert len(lines(tmp_path)) == 8
    with (tmp_path / "rows.jsonl").open("a") as handle:
        handle.write('{"question": "q8", "vari')  # the process died while writing this line
    again = Recorder()
    rows = go(again, make(12), tmp_path, latency_questions=0)
    assert again.asked == [f"text {n}" for n in range(8, 12)]
    assert rows == go(Recorder(), make(12), tmp_path / "undisturbed")
    assert len(lines(tmp_path)) == 12


def test_a_killed_run_that_was_only_to_be_timed_asks_only_for_time(tmp_path):
    rows = go(Recorder(), make(4), tmp_path)
    (tmp_path / "manifest.json").unlink()
    again = Recorder()
    assert go(again, make(4), tmp_path) == rows
    assert len(again.asked) == 3  # one to warm up, two timed


def test_an_answer_with_any_line_separator_survives(tmp_path):
    question = Question("q0", (Message("user", "a\u2028b\x85c\nd"),), ("x",))
    first = go(Recorder(), [question], tmp_path)
    assert go(Recorder(die_at=0), [question], tmp_path) == first


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EndpointError, "error"),
        (ValueError, "error"),
        (TimeoutError, "timeout"),
        (type("APITimeoutError", (Exception,), {}), "timeout"),
    ],
)
def test_one_bad_question_is_one_row(tmp_path, error, status):
    rows = go(Recorder(fail={"text 2"}, error=error), make(6), tmp_path)
    assert [row.status for row in rows] == ["ok", "ok", status, "ok", "ok", "ok"]
    assert rows[2] == Row("q2", "recorder", status, None, f"{error.__name__}: It broke.")
    assert json.loads((tmp_path / "manifest.json").read_text())["failed"] == 1


def test_a_timeout_behind_another_error_is_a_timeout(tmp_path):
    class Wrapped(Recorder):
        def answer_batch(self, questions):
            try:
                return super().answer_batch(questions)
            except TimeoutError as error:
                raise EndpointError("The endpoint failed.") from error

    rows = go(Wrapped(fail={"text 1"}, error=TimeoutError), make(3), tmp_path)
    assert rows[1].status == "timeout"


def test_an_outage_stops_the_run_and_leaves_no_rows_behind(tmp_path):
    questions = make(20)
    down = Recorder(fail={f"text {number}" for number in range(5, 20)})
    with pytest.raises(BackendError, match=f"recorder failed on {OUTAGE} questions in a row. It broke."):
        go(down, questions, tmp_path)
    assert lines(tmp_path) == [f"q{n}" for n in range(5)]
    rows = go(Recorder(), questions, tmp_path)
    assert {row.status for row in rows} == {"ok"}


def test_a_run_that_only_fails_raises(tmp_path):
    with pytest.raises(BackendError, match="failed on 3 questions in a row"):
        go(Recorder(fail={"text 0", "text 1", "text 2"}), make(3), tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_a_system_that_loses_answers_is_told(tmp_path):
    class Short(Recorder):
        def answer_batch(self, questions):
            return super().answer_batch(questions)[1:]

    with pytest.raises(BackendError, match="returned 0 answers to 1 questions"):
        go(Short(), make(2), tmp_path)


def test_a_budget_keeps_what_was_answered(tmp_path):
    with pytest.raises(BudgetExceeded, match=r"\$0.70 for recorder is used up after 8 of 12 questions"):
        go(Recorder(cost=0.1), make(12), tmp_path, budget=0.7)
    again = Recorder(cost=0.1)
    rows = go(again, make(12), tmp_path, budget=2.0, latency_questions=0)
    assert len(again.asked) == 4
    assert json.loads((tmp_path / "manifest.json").read_text())["cost"] == pytest.approx(1.2)
    assert len(rows) == 12


def test_a_budget_that_the_system_itself_reports_is_no_failed_row(tmp_path):
    with pytest.raises(BudgetExceeded):
        go(Recorder(fail={"text 5"}, error=BudgetExceeded), make(12), tmp_path)
    assert lines(tmp_path) == ["q0", "q1", "q2", "q3", "q4"]  # q4 was answered before the cap was met


def test_a_folder_holds_one_run(tmp_path):
    go(Recorder(), make(3), tmp_path)
    with pytest.raises(Mismatch, match="its questions differ"):
        go(Recorder(), make(4), tmp_path)
    other = Recorder()
    other.fingerprint = "2"
    with pytest.raises(Mismatch, match="its answerer differ"):
        go(other, make(3), tmp_path)


def test_no_questions_is_an_empty_run(tmp_path):
    assert go(Recorder(), [], tmp_path) == ()


def test_latency_is_timed_one_at_a_time_and_warm():
    answerer = Recorder()
    timed = time_answers(answerer, make(10), 5)
    assert answerer.asked == ["text 0", "text 0", "text 2", "text 4", "text 6", "text 8"]
    assert all(sample["decode"] == 0.5 and sample["total"] < 1 for sample in timed.samples)
    assert time_answers(Recorder(fail={"text 1"}), make(2), 9).samples[1:] == ()


def test_percentiles_are_linear_between_neighbours():
    numpy = pytest.importorskip("numpy")
    seconds = [0.3, 0.1, 0.7, 0.2, 0.9]
    latencies = Latencies(tuple({"total": value} for value in seconds))
    assert [latencies.percentile(share) for share in (0, 50, 95, 100)] == pytest.approx(
        list(numpy.percentile(seconds, [0, 50, 95, 100]))
    )
    assert latencies.percentile(50, "embed") is None
    assert Latencies().percentile(50) is None


def test_what_failed_in_a_complete_run_is_asked_once_more(tmp_path):
    go(Recorder(fail={"text 1", "text 4"}), make(6), tmp_path)
    kept = go(Recorder(die_at=0), make(6), tmp_path, again=False)
    assert [row.status for row in kept] == ["ok", "error", "ok", "ok", "error", "ok"]
    better = Recorder(fail={"text 4"})
    rows = go(better, make(6), tmp_path)
    assert (better.asked, [row.status for row in rows]) == (["text 1"], ["ok"] * 4 + ["error", "ok"])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["failed"], manifest["rows"]) == (1, 6)
    assert go(Recorder(), make(6), tmp_path)[4].status == "ok"
    assert go(Recorder(die_at=0), make(6), tmp_path)[4].answer.text == "text 4"


def test_asking_again_in_vain_keeps_the_rows(tmp_path):
    failing = {f"text {number}" for number in range(0, 2 * OUTAGE + 4, 2)}
    questions = make(2 * OUTAGE + 4)
    first = go(Recorder(fail=failing), questions, tmp_path)
    assert go(Recorder(fail=failing), questions, tmp_path) == first


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_rows_that_were_made_without_times_are_timed_by_who_wants_times(tmp_path):
    rows = go(Recorder(), make(6), tmp_path, latency_questions=0)
    later = Recorder()
    assert go(later, make(6), tmp_path) == rows
    assert later.asked == ["text 0", "text 0", "text 3"]  # one to warm up, two timed, no row again
    assert len(lines(tmp_path)) == 6
    assert len(read_latencies(tmp_path).samples) == 2
    assert go(Recorder(die_at=0), make(6), tmp_path, latency_questions=0) == rows
    assert (manifest_of(tmp_path)["timed"], manifest_of(tmp_path)["rows"]) == (2, 6)


def test_more_times_are_taken_when_more_are_wanted_and_none_without_asking(tmp_path):
    go(Recorder(), make(6), tmp_path)
    go(Recorder(die_at=0), make(6), tmp_path, latency_questions=4, again=False)
    go(Recorder(), make(6), tmp_path, latency_questions=9)
    assert len(read_latencies(tmp_path).samples) == 6
    go(Recorder(die_at=0), make(6), tmp_path, latency_questions=9)


def test_what_could_not_be_timed_is_not_timed_at_every_turn(tmp_path):
    go(Recorder(fail={"text 3"}), make(6), tmp_path)
    assert len(read_latencies(tmp_path).samples) == 1
    again = Recorder(fail={"text 3"})
    go(again, make(6), tmp_path)
    assert again.asked == []


def test_a_manifest_from_before_the_number_was_kept_tells_it_by_its_sample(tmp_path):
    go(Recorder(), make(6), tmp_path)
    known = manifest_of(tmp_path)
    del known["timed"]
    (tmp_path / "manifest.json").write_text(json.dumps(known))
    go(Recorder(die_at=0), make(6), tmp_path)
    go(Recorder(), make(6), tmp_path, latency_questions=3)
    assert (manifest_of(tmp_path)["timed"], len(read_latencies(tmp_path).samples)) == (3, 3)


def test_times_are_kept_when_the_system_is_down_while_more_are_taken(tmp_path):
    go(Recorder(), make(6), tmp_path)
    known = manifest_of(tmp_path)
    go(Recorder(fail={f"text {number}" for number in range(6)}), make(6), tmp_path, latency_questions=4)
    assert manifest_of(tmp_path) == known


class Streaming(Recorder):
    """Says an answer in two pieces, or fails to stream at all."""

    def __init__(self, *, broken=False, **more):
        super().__init__(**more)
        self.broken = broken

    def stream(self, question):
        if self.broken:
            raise ConnectionError("no events here")
        (answer,) = self.answer_batch([question])
        yield "one "
        time.sleep(0.01)
        yield "two"
        yield answer


def test_the_first_word_is_timed_where_answers_come_in_pieces():
    timed = time_answers(Streaming(), make(4), 4)
    assert len(timed.first_words) == len(timed.seconds) == 4
    assert all(first + 0.01 <= total for first, total in zip(timed.first_words, timed.seconds, strict=True))
    assert time_answers(Recorder(), make(4), 4).first_words == ()


def test_who_cannot_stream_here_is_timed_without():
    timed = time_answers(Streaming(broken=True), make(4), 4)
    assert (len(timed.seconds), timed.first_words) == (4, ())


def test_a_budget_that_is_used_up_while_timing_is_told():
    answerer = Streaming()
    answerer.stream = lambda question: (_ for _ in ()).throw(BudgetExceeded("all gone", ""))
    with pytest.raises(BudgetExceeded):
        time_answers(answerer, make(2), 2)
