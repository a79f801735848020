"""Advice before measurement: from a situation to an expectation, a plan, what to collect and what it would cost.

Everything here is a prior. Where a comparison exists its figures stand beside each prior and replace it. Deterministic;
knows numbers and the published rules of `priors`, no model and no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graft.decision.advising import priors
from graft.decision.advising.priors import PRIORS, Prior
from graft.decision.advising.situation import PER_MONTH, Situation
from graft.decision.costs.cost import PriceTable
from graft.decision.costs.expected import VARIANTS, expected_bills, on_own_machines
from graft.decision.costs.ownership import Ownership
from graft.decision.inference.sizing import typical
from graft.types import Comparison, Contrast

PAIRS = 6
MONTHS = 12
FIRST_LOOK, CLOSE_LOOK = 0.10, 0.05
UNANSWERABLE = 50


@dataclass(frozen=True, slots=True)
class Heard:
    """A prior that applies, and what was measured about it here: `verdict` is "agrees", "contradicts", "undecided", or ""
    where nothing was measured."""

    prior: Prior
    verdict: str = ""
    figures: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is expected of a variant. `excluded` says which requirement it cannot meet."""

    variant: str
    reasons_for: int
    reasons_against: int
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole advice. `origin` says of each answer where it is from; `measured` is the verdict of the comparison that
    replaces the expectation, "" before there is one."""

    situation: Situation
    origin: Mapping[str, str]
    standings: tuple[Standing, ...]
    heard: tuple[Heard, ...]
    plan: tuple[str, ...]
    collect: tuple[str, ...]
    would_change: tuple[str, ...]
    cost: Ownership
    notes: tuple[str, ...] = ()
    measured: str = ""

    @property
    def expected(self) -> str:
        """The variant that is expected to be right in the end."""
        return self.standings[0].variant


def advise(
    situation: Situation,
    origin: Mapping[str, str],
    prices: PriceTable,
    *,
    comparison: Comparison | None = None,
    verdict: str = "",
) -> Advice:
    """Return the advice for a complete situation. Raises ConfigError for a model whose price is not known.

    `comparison` and the `verdict` on it replace the priors that they test.
    """
    applying = [prior for prior in PRIORS if prior.applies(situation)]
    standings = _standings(situation, applying)
    cost = Ownership(expected_bills(situation, prices), MONTHS, situation.answers_per_month or 1.0)
    return Advice(
        situation=situation,
        origin=origin,
        standings=standings,
        heard=tuple(_heard(prior, comparison) for prior in applying),
        plan=_plan(situation, standings[0].variant),
        collect=_collect(situation),
        would_change=_would_change(situation, cost),
        cost=cost,
        notes=(*_notes(situation), *_worth(situation), *_in_time(situation, origin, comparison)),
        measured=verdict,
    )


# --- what is expected --------------------------------------------------------------------------------------------------


def _standings(s: Situation, applying: list[Prior]) -> tuple[Standing, ...]:
    """Return the variants, the expected one first: those that can meet the requirements, by reasons for less reasons
    against, the simpler one of equals."""
    found = [
        Standing(
            name,
            sum(name in prior.favours for prior in applying),
            sum(name in prior.against for prior in applying),
            _excluded(s, name),
        )
        for name in VARIANTS
    ]
    return tuple(sorted(found, key=lambda one: (bool(one.excluded), one.reasons_against - one.reasons_for)))


def _excluded(s: Situation, name: str) -> str:
    if name in ("rag", "hybrid"):
        return ""
    if s.cite:
        return "it cannot name a source"
    days = 30.4 / PER_MONTH[s.change or "never"] if PER_MONTH[s.change or "never"] else None
    if priors.needs_facts(s) and days is not None and (s.max_age_days or 0.0) < days / 2:
        return f"its knowledge would be older than the {s.max_age_days:g} days allowed"
    return ""


def _heard(prior: Prior, comparison: Comparison | None) -> Heard:
    """Return a prior with what the comparison says about it."""
    if prior.tests is None or comparison is None:
        return Heard(prior)
    a, b, metric = prior.tests
    found = _contrast(comparison, a, b, metric)
    if found is None or found.difference is None:
        return Heard(prior)
    expected = a in prior.favours
    low, high = found.low, found.high
    if low is None or high is None or low <= 0 <= high:
        verdict = "undecided"
    else:
        verdict = "agrees" if (found.difference > 0) == expected else "contradicts"
    limits = "" if low is None or high is None else f" [{low:+.2f}, {high:+.2f}]"
    figures = f"{a} - {b} = {found.difference:+.2f}{limits} in {metric}, {found.n} questions"
    return Heard(prior, verdict if prior.favours else "", figures)


def _contrast(comparison: Comparison, a: str, b: str, metric: str) -> Contrast | None:
    """Return a - b over all questions, turned round where the comparison holds b - a."""
    for found in comparison.contrasts:
        if found.metric != metric or found.stratum or found.difference is None:
            continue
        if (found.a, found.b) == (a, b):
            return found
        if (found.a, found.b) == (b, a):
            low, high = (None if limit is None else -limit for limit in (found.high, found.low))
            return replace(found, a=a, b=b, difference=-found.difference, low=low, high=high)
    return None


# --- what to do --------------------------------------------------------------------------------------------------------


def _plan(s: Situation, expected: str) -> tuple[str, ...]:
    wanted = priors.wanted_examples(s)
    first = (
        "Start with retrieval: graft init, graft build, and ask some questions (graft ask). It needs no examples, is "
        "fresh after each build, and shows at once whether the answers are in the documents."
        if priors.needs_facts(s)
        else "Start with the plain model and the nearest examples in its prompt ([evaluation] diagnostics = "
        '["few-shot"]): if that is enough, nothing needs to be tuned.'
    )
    steps = [
        first,
        'Measure: graft compare, with the plain baselines beside it and diagnostics = ["oracle"], which tells what '
        "better retrieval could still bring from what only a better model can.",
        "Work on the gaps: graft gaps sorts the failures by the first stage that broke and proposes documents or "
        "examples for review; graft gaps --apply keeps them only if held-out questions get better answers.",
    ]
    if expected in ("tuned", "hybrid"):
        steps.append(
            f"Tune when the gaps are of form rather than of facts, from about {wanted} examples on; GRAFT tunes on "
            "prompts that hold retrieved passages (hybrid), so that facts stay in the documents."
        )
    else:
        steps.append(
            "Tune only if the gaps turn out to be of form or tone: facts that are missing stay missing."
        )
    steps.append(
        "Decide and keep it: graft recommend, graft release, and graft check in continuous integration against the "
        "release."
    )
    return tuple(steps)


def _collect(s: Situation) -> tuple[str, ...]:
    first, close = (typical(gap, pairs=PAIRS) for gap in (FIRST_LOOK, CLOSE_LOOK))
    share = s.unanswerable or 0.0
    unanswerable = max(UNANSWERABLE, round(first * share))
    lines = [
        f"{first} questions that nobody trains on show a difference of {FIRST_LOOK:g} between two variants (80 % power, "
        f"all six pairs tested); {close:,} show {CLOSE_LOOK:g}. graft compare --plan counts again after the first "
        "comparison.",
        f"{unanswerable} of them without an answer in the documents: otherwise making things up is not measured.",
        "Take real questions, several documents each in its own group; graft questions generate fills up with "
        "synthetic ones, which are reported apart.",
    ]
    if priors.needs_form(s):
        missing = max(0, priors.wanted_examples(s) - (s.examples or 0))
        told = f"{missing} more examples" if missing else "no more examples to begin with"
        lines.append(f"{told}: {priors.wanted_examples(s)} in all, {s.examples or 0} are there.")
    else:
        lines.append("No examples yet: facts alone do not call for tuning.")
    return tuple(lines)


def _would_change(s: Situation, cost: Ownership) -> tuple[str, ...]:
    lines = [
        "Retrieval finds the gold passage for fewer than 8 of 10 questions: work on documents and search before models.",
        "The oracle arm is no better than rag: the reader is the limit, not the search; try a stronger model or tuning.",
        "Right answers in the wrong form are the largest group of failures: tune, even if facts came first.",
        "Wrong answers grow with right ones: raise the abstention threshold; utility decides, not accuracy.",
    ]
    lines += [
        f"In cost alone {payback.text} You plan {cost.volume:,.0f}."
        for payback in cost.paybacks()
        if payback.answers is not None and payback.cheaper == "rag" and payback.dearer in ("tuned", "hybrid")
    ]
    if s.gpu is False and not on_own_machines(s):
        lines.append("A GPU that is paid for anyway: hosting is most of what the tuned variants cost here.")
    return tuple(lines)


def _notes(s: Situation) -> tuple[str, ...]:
    notes = []
    if not on_own_machines(s):
        notes.append(
            "Tuned variants are costed as open weights on a rented GPU: hosted fine-tuning is being withdrawn (OpenAI "
            "told its developers so on 2026-05-07), and a hosted base model's retirement ends what was tuned on it."
        )
    if not s.gpu:
        notes.append(
            f"One GPU at {s.answers_per_month:,.0f} answers a month is an assumption: measure tokens a second with your "
            "model before you order machines."
        )
    notes.append("Cost says nothing of what the answers are worth: graft recommend weighs both.")
    if set(s.languages or ()) - {"en"}:
        notes.append(
            "The default embedder and the shipped model know English: for other languages set [retrieval] embedder and "
            "[generation] model, and measure; citations, abstention phrases and lexical metrics are English first too."
        )
    if (s.peak_per_second or 0.0) > 1:
        notes.append(
            f"At {s.peak_per_second:g} questions a second, time graft serve under that load before you count machines: "
            "the costs above are for one."
        )
    return tuple(notes)


def _worth(s: Situation) -> list[str]:
    """Return from which chance of being right an answer beats saying that one does not know."""
    right, wrong, abstain = s.right or 0.0, s.wrong or 0.0, s.abstain or 0.0
    if right + wrong <= 0:
        return []
    least = (wrong - abstain) / (right + wrong)
    if least <= 0:
        return ["No answer costs you as much as a wrong one: nothing is gained by declining."]
    return [
        f"By the values above, an answer pays when its chance of being right is above {least:.0%}, (wrong - abstain) / (right + "
        "wrong); below it, declining costs less. graft calibrate finds the confidence to decline at, by [decision]."
    ]


def _in_time(s: Situation, origin: Mapping[str, str], comparison: Comparison | None) -> list[str]:
    """Return who is slower than allowed where that was timed, and else what will tell."""
    if origin.get("max_seconds") == "assumed":
        return []
    allowed = s.max_seconds or 0.0
    limit = f"[decision] max_p95_seconds = {allowed:g}"
    if comparison is None:
        return [
            f"Nothing is known yet of {allowed:g} s: graft compare times the answers, and {limit} keeps out who is slower."
        ]
    p95 = {
        name: found["latency_p95"].mean
        for name, found in comparison.variants.items()
        if "latency_p95" in found and name not in comparison.baselines
    }
    slow = [
        f"{name} ({seconds:.2g} s)"
        for name, seconds in p95.items()
        if seconds is not None and seconds > allowed
    ]
    if not slow:
        return []
    return [
        f"95 of 100 answers took longer here than the {allowed:g} s you allow: {', '.join(slow)}. {limit} keeps them out."
    ]
