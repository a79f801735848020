"""The report: the same numbers in three forms, safe whatever an answer holds, and small enough to mail."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re

import pytest
import synthetic

from graft.decision.recommending.screening import chance
from graft.reporting import cells, measured, report, shown
from graft.reporting.data import OUTCOMES, as_script, outcome
from graft.types import (
    Answer,
    Comparison,
    Contrast,
    Estimate,
    Message,
    Passage,
    Question,
    Recommendation,
    Row,
    Value,
)

EVIL = "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>{{DATA}} & \u2028 <b>"


@pytest.fixture(scope="module")
def made():
    return synthetic.make(60, draws=200)


def page(made, **changes):
    given = {"title": "handbook", "stages": made.stages, "settings": {"seed": 0}, **changes}
    return report.to_html(
        made.comparison, made.recommendation, made.rows, made.questions, made.scores, **given
    )


def data_of(html):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1]
    )


def small():
    """A comparison small enough to compare the whole output."""
    variants = {
        "base": {"truthfulness": Estimate(-0.5, -0.6, -0.4, 40, 40), "correct": Estimate(0.1, 0.05, 0.2, 30, 40)},
        "rag": {
            "truthfulness": Estimate(0.25, 0.125, 0.375, 40, 40), "correct": Estimate(0.625, 0.5, 0.75, 30, 40),
            "cost": Estimate(0.0007, 0.0007, 0.0007, 40, 40), "latency_p50": Estimate(0.5, 0.4, 0.6, 30, 30),
        },
    }  # fmt: skip
    comparison = Comparison(
        40, "truthfulness", variants, (Contrast("rag", "base", "truthfulness", 0.75, 0.5, 1.0, 0.0001, 0.0001, 0.2, 40),),
        {"seen": {"base": {"truthfulness": Estimate(-0.5, -0.6, -0.4, 40, 40)}}}, (), ("Only 40 questions.",),
    )  # fmt: skip
    return comparison, Recommendation(
        "RECOMMEND", "rag", ("rag beats base.",), ("1 limits: none are set", "5 RECOMMEND rag")
    )


def test_the_terminal_shows_means_above_their_intervals():
    assert report.to_terminal(*small()) == "\n".join([  # noqa: FLY002
        "40 questions. Truthfulness decides. Below each mean its 95% interval.",
        "",
        "                 truthful  correct     p50  per 1k",
        "──────────────────────────────────────────────────",
        "base                −0.50      10%       –       –",
        "              −0.60…−0.40    5…20%",
        "rag                 +0.25      62%  0.50 s   $0.70",
        " recommended  +0.12…+0.38   50…75%",
        "",
        "truthful                seen",
        "────────────────────────────",
        "base      −0.50  −0.60…−0.40",
        "rag                      –  ",
        "",
        "Recommended: rag",
        "  - rag beats base.",
        "",
        "Warnings",
        "  - Only 40 questions.",
    ]).replace("–  \n", "–\n")  # fmt: skip


def test_markdown_holds_the_same():
    comparison, recommendation = small()
    text = report.to_markdown(
        comparison, dataclasses.replace(recommendation, reasons=("a | b *c* <d>",)), title="handbook"
    )
    assert text.startswith("# handbook\n\n**Recommended: rag**\n\n- a \\| b \\*c\\* \\<d\\>\n")
    assert (
        "| **rag** (recommended) | +0.25 (+0.12 to +0.38) | 62% (50 to 75%) | 0.50 s (0.40 to 0.60 s) | $0.70 |\n"
        in text
    )
    assert "| rag − base: +0.75 | +0.50 to +1.00 | < 0.001 | 0.20 | 40 |\n" in text
    assert text.endswith("```text\n1 limits: none are set\n5 RECOMMEND rag\n```\n")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("correct", 0.625, "62%"), ("truthfulness", -0.5, "−0.50"), ("cost", 0.0007, "$0.70"), ("cost", 0.0000042, "$0.0042"),
        ("cost", 0.0, "$0.00"), ("latency_p95", 1.234, "1.23 s"), ("tokens_in", 812.4, "812"), ("another", 0.5, "0.500"),
        ("correct", None, "–"), ("latency_p50", 0.0042, "4 ms"), ("ttft_p95", 0.2, "0.20 s"), ("latency_p50", 0.0, "0.00 s"), ("cost", 0.000005, "$0.0050"),
    ],
)  # fmt: skip
def test_how_numbers_are_written(metric, value, text):
    assert shown.number(metric, value) == text


def test_how_differences_are_written():
    assert shown.difference("correct", -0.125) == "−12.5"
    assert shown.difference("truthfulness", 0.5) == "+0.50"
    assert shown.difference("log_latency", 0.0) == "× 1.00"
    assert [shown.p_value(p) for p in (None, 0.00001, 0.0421)] == ["–", "< 0.001", "0.042"]
    assert [chance(p) for p in (0.0, 0.5, 1.0)] == ["< 1%", "50%", "> 99%"]


@pytest.mark.parametrize(
    ("answerable", "status", "value", "told"),
    [
        (True, "ok", 1.0, "right"), (False, "ok", 1.0, "rightly declined"), (True, "ok", 0.0, "declined"), (True, "ok", -1.0, "wrong"),
        (True, "timeout", -1.0, "failed"), (True, "ok", None, "not scored"),
    ],
)  # fmt: skip
def test_what_became_of_a_question(answerable, status, value, told):
    question = Question("q", (Message("user", "How?"),), answerable=answerable)
    row = Row("q", "rag", status, None if status == "timeout" else Answer("x"))
    assert OUTCOMES[outcome(question, row, Value(value))] == told


# --- HTML ------------------------------------------------------------------------------------------------------------


def test_the_page_is_one_file_that_asks_for_nothing(made):
    html = page(made)
    head = html[: html.index('<script type="application/json"')]
    assert not re.search(r"https?://|//[a-z]+\.[a-z]+/|@import|url\(|\bsrc=", head)
    assert "{{" not in head
    assert set(re.findall(r'\b(?:href)="([^"#][^"]*)"', html)) == {"data:,"}


def test_the_page_allows_its_own_script_only(made):
    html = page(made)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "innerHTML" not in script


def test_the_page_says_what_was_decided(made):
    html = page(made)
    name = made.recommendation.variant or made.recommendation.candidates[0]
    assert f'<span class="who">{name}' in html
    for reason in made.recommendation.reasons:
        assert reason in html
    assert all(
        f"<caption>{caption}" in html
        for caption in ["Means with 95% intervals", "Differences in truthfulness", "Seconds by stage"]
    )
    assert "3f1c2a9b77d0e145" in html


def test_the_browser_has_every_question_and_answer(made):
    data = data_of(page(made))
    assert [question["id"] for question in data["questions"]] == [question.id for question in made.questions]
    for variant, rows in zip(data["variants"], data["rows"], strict=True):
        said = [row.answer.text if row.answer else "" for row in made.rows[variant["name"]]]
        assert [row["t"] for row in rows] == said
        shown_texts = [[data["passages"][index]["t"] for index in row.get("p", [])] for row in rows]
        assert shown_texts == [
            [p.text for p in row.answer.passages] if row.answer else [] for row in made.rows[variant["name"]]
        ]
    counted = {preset["label"]: preset["count"] for preset in data["presets"]}
    good, names = {"r", "d"}, [variant["name"] for variant in data["variants"]]
    for label, count in counted.items():
        if label != "all wrong":
            left, right = label.removesuffix(" wrong").split(" right, ")
            pairs = zip(data["rows"][names.index(left)], data["rows"][names.index(right)], strict=True)
            assert count == sum(one["o"] in good and other["o"] == "w" for one, other in pairs)


def test_known_variants_have_fixed_colours_and_strangers_their_own(made):
    slots = {variant["name"]: variant["slot"] for variant in data_of(page(made))["variants"]}
    assert slots == {"base": 0, "rag": 1, "tuned": 2, "hybrid": 3, "extractive": 4, "bm25": 5}
    arms = {
        "theirs": synthetic.ARMS["rag"],
        "hybrid": synthetic.ARMS["hybrid"],
        "ours": synthetic.ARMS["base"],
    }
    other = synthetic.make(12, draws=100, arms=arms)
    assert {variant["name"]: variant["slot"] for variant in data_of(page(other))["variants"]} == {
        "theirs": 6,
        "hybrid": 3,
        "ours": 7,
    }


def test_nothing_in_the_data_becomes_markup(made):
    rows = {name: [dataclasses.replace(row, answer=Answer(EVIL, name, passages=(Passage(EVIL, 0, 1, EVIL, EVIL),))) for row in answered]
            for name, answered in made.rows.items()}  # fmt: skip
    questions = tuple(
        dataclasses.replace(item, messages=(Message("user", EVIL),), answers=(EVIL,), stratum=EVIL)
        for item in made.questions
    )
    comparison = dataclasses.replace(
        made.comparison, warnings=(EVIL,), fingerprints={EVIL: EVIL}, strata={EVIL: {}}
    )
    recommendation = dataclasses.replace(
        made.recommendation, reasons=(EVIL,), trace=(EVIL,), failures={"rag": {EVIL: ("q000",)}}
    )
    html = report.to_html(
        comparison, recommendation, rows, questions, made.scores, title=EVIL, settings={EVIL: EVIL}
    )
    assert len(re.findall(r"<script", html)) == 2
    assert "<img" not in html
    assert data_of(html)["rows"][0][0]["t"] == EVIL
    assert "\u2028" not in as_script(EVIL)


def test_four_variants_on_200_questions_stay_below_two_megabytes():
    """Passages that no two questions share and answers of 3,000 characters: the worst that the caps must hold."""
    arms = {name: synthetic.ARMS[name] for name in ("base", "rag", "tuned", "hybrid")}
    big = synthetic.make(200, draws=100, arms=arms)
    rows = {
        name: [
            dataclasses.replace(row, answer=dataclasses.replace(
                row.answer, text="word " * 600,
                passages=tuple(Passage(f"{name} {at} {k}", 0, 2000, f"{at} {k} " + "sentence " * 220) for k in range(5)),
            )) if row.answer else row
            for at, row in enumerate(answered)
        ]
        for name, answered in big.rows.items()
    }  # fmt: skip
    html = report.to_html(big.comparison, big.recommendation, rows, big.questions, big.scores)
    assert len(html.encode()) < 2_000_000


def test_the_files_of_a_report(made, tmp_path):
    path = report.write_report(tmp_path, made.comparison, made.recommendation, rows=made.rows, questions=made.questions,
                               scores=made.scores, title="handbook")  # fmt: skip
    assert path == tmp_path / "report.html"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["report.html", "report.md", "rows.jsonl"]
    lines = [
        json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    ]
    assert len(lines) == 6 * 60
    first = lines[0]
    assert (first["question"], first["variant"], first["answer"]["text"]) == (
        "q000",
        "base",
        made.rows["base"][0].answer.text,
    )
    assert first["scores"]["recall@5"] is None
    assert first["nulls"]["recall@5"] == "the variant retrieves nothing"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_report_on_next_to_nothing(n):
    tiny = synthetic.make(n, draws=100, arms={name: synthetic.ARMS[name] for name in ("base", "rag")})
    html = report.to_html(tiny.comparison, tiny.recommendation, tiny.rows, tiny.questions, tiny.scores)
    assert "Undecided" in html
    assert len(data_of(html)["questions"]) == n
    assert report.to_terminal(tiny.comparison, tiny.recommendation).startswith(f"{n} questions.")
    assert report.to_markdown(tiny.comparison, tiny.recommendation).startswith("# Comparison")


def test_the_same_input_gives_the_same_page(made):
    assert page(made) == page(made)


def test_a_mean_over_few_of_many_rows_says_so():
    rare = Estimate(0.0, 0.0, 0.79, 4, 219)
    assert shown.few(rare) == "4 of 219"
    assert "4 of 219" in cells.estimate("citation_correct", rare)
    assert shown.few(Estimate(0.5, 0.4, 0.6, 174, 219)) == shown.few(Estimate(0.5, 0.1, 0.9, 4, 8)) == ""
    assert shown.few(Estimate(None, None, None, 0, 219)) == shown.few(None) == ""


def test_a_difference_that_is_not_shown_says_how_many_questions_would_show_one_that_matters(made):
    """The smallest difference shown is 0.20 with 219 questions: 0.10 takes four times as many."""
    family = Comparison(219, "truthfulness", {}, contrasts=(
        Contrast("rag", "base", "truthfulness", -0.07, -0.19, 0.05, 0.2, 0.5, 0.2, 219),
        Contrast("hybrid", "base", "truthfulness", -0.31, -0.4, -0.2, 0.0001, 0.0001, 0.18, 219),
    ))  # fmt: skip
    page = measured.differences(family)
    assert "no difference shown; about 660 more questions would show 0.10" in page
    assert page.count("more questions would show") == 1
