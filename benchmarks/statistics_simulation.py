"""Do the statistics hold what they promise? Simulated error rates, power and coverage, as a Markdown table.

    python benchmarks/statistics_simulation.py            # about 2 minutes of one core
    python benchmarks/statistics_simulation.py --quick    # a tenth of the repetitions

Needs no data and no model. Every figure has its Monte Carlo error beside it (1.96 standard errors); all seeds are
fixed, so two runs print the same table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from graft.decision.compare import compare, finding
from graft.decision.inference.power import sample_size
from graft.decision.inference.ppi import ppi_mean, ppi_weighted
from graft.decision.recommending.verdict import RECOMMEND, decide
from graft.decision.statistics import (
    mcnemar_midp,
    mean_interval,
    noninferiority,
    paired_difference,
    percentile_interval,
    sign_flip,
    wilson,
)
from graft.types import Value

DRAWS = 2_000
Rng = np.random.Generator


def rate(trial: Callable[[Rng, int], bool], repetitions: int, seed: int) -> tuple[float, float]:
    """Return the share of repetitions in which `trial` is true, and 1.96 standard errors of it."""
    rng = np.random.default_rng(seed)
    hits = sum(trial(rng, index) for index in range(repetitions))
    share = hits / repetitions
    return share, 1.96 * float(np.sqrt(max(share * (1 - share), 1 / repetitions) / repetitions))


# --- worlds ----------------------------------------------------------------------------------------------------------


def clusters_of(sizes: np.ndarray) -> list[str]:
    return [f"d{k}" for k, size in enumerate(sizes) for _ in range(size)]


def truthfulness(rng: Rng, arms: int, clusters: list[str], own: float, shift: float = 0.0) -> np.ndarray:
    """Return [questions, arms] of +1 / 0 / -1: a document's difficulty is shared by all arms, and each arm has its own
    way with each document (standard deviation `own` on the logit scale), which is what clusters the differences."""
    _, codes = np.unique(clusters, return_inverse=True)
    documents = codes.max() + 1
    level = rng.normal(0, 1, (documents, 1)) + rng.normal(0, own, (documents, arms))
    score = level[codes] + rng.logistic(0, 1, (len(clusters), arms)) + np.array([0.0] * (arms - 1) + [shift])
    return np.where(score > 0, 1.0, np.where(score > -1, 0.0, -1.0))


def claims(outcome: np.ndarray, clusters: list[str], seed: int) -> bool:
    """Whether `compare` says of any pair of arms that one scores above the other."""
    scores = {f"arm{k}": {"truthfulness": [Value(float(x)) for x in arm]} for k, arm in enumerate(outcome.T)}
    questions = [str(k) for k in range(len(outcome))]
    comparison = compare(scores, questions=questions, clusters=clusters, seed=seed, draws=DRAWS)
    family = [c for c in comparison.contrasts if c.metric == "truthfulness"]
    return any("scores above" in finding(contrast) for contrast in family)


# --- error rates -----------------------------------------------------------------------------------------------------


def family_error(
    sizes: np.ndarray, own: float, *, ignore: bool = False, binary: bool = False
) -> Callable[[Rng, int], bool]:
    clusters = clusters_of(sizes)

    def trial(rng: Rng, index: int) -> bool:
        outcome = truthfulness(rng, 4, clusters, own)
        if binary:
            outcome = (outcome > 0).astype(float)
        return claims(outcome, [""] * len(clusters) if ignore else clusters, index)

    return trial


def recommends_the_dearer(sizes: np.ndarray, own: float) -> Callable[[Rng, int], bool]:
    clusters = clusters_of(sizes)
    names = ["base", "rag", "tuned", "hybrid"]

    def trial(rng: Rng, index: int) -> bool:
        outcome = truthfulness(rng, 4, clusters, own)
        utility = {name: outcome[:, k] for k, name in enumerate(names)}
        verdict = decide(utility, names, clusters, margin=0.03, draws=DRAWS, seed=index)
        return verdict.kind == RECOMMEND and verdict.variant != "base"

    return trial


def false_noninferiority(n: int, discordance: float, margin: float) -> Callable[[Rng, int], bool]:
    """Arm a is worse than b by exactly the margin: "not inferior" is wrong."""

    def trial(rng: Rng, _: int) -> bool:
        wins = (discordance - margin) / 2
        d = rng.choice([1.0, -1.0, 0.0], size=n, p=[wins, wins + margin, 1 - discordance])
        return noninferiority(d, np.zeros(n), margin) < 0.05

    return trial


# --- power -----------------------------------------------------------------------------------------------------------


def mcnemar_power(difference: float, discordance: float, n: int, alpha: float) -> Callable[[Rng, int], bool]:
    def trial(rng: Rng, _: int) -> bool:
        wins, losses = (discordance + difference) / 2, (discordance - difference) / 2
        d = rng.choice([1, -1, 0], size=n, p=[wins, losses, 1 - discordance])
        return mcnemar_midp((d > 0).astype(float), (d < 0).astype(float)) < alpha

    return trial


def flip_power(difference: float, sd: float, n: int) -> Callable[[Rng, int], bool]:
    def trial(rng: Rng, index: int) -> bool:
        d = rng.normal(difference, sd, n)
        return sign_flip(d, np.zeros(n), draws=DRAWS, seed=index) < 0.05

    return trial


def clustered_power(
    difference: float, size: int, between: float, within: float
) -> tuple[int, Callable[[Rng, int], bool]]:
    """The planned n for clustered differences, from the effective sd sqrt(size * between^2 + within^2)."""
    sd = float(np.sqrt(size * between**2 + within**2))
    documents = round(sample_size(difference, sd=sd) / size)
    clusters = clusters_of(np.full(documents, size))

    def trial(rng: Rng, index: int) -> bool:
        d = (
            difference
            + np.repeat(rng.normal(0, between, documents), size)
            + rng.normal(0, within, documents * size)
        )
        return sign_flip(d, np.zeros(len(d)), clusters, draws=DRAWS, seed=index) < 0.05

    return documents * size, trial


# --- coverage --------------------------------------------------------------------------------------------------------


def covers(interval: tuple[float | None, float | None, float | None], truth: float) -> bool:
    _, low, high = interval
    return low is not None and high is not None and low <= truth <= high


def wilson_coverage(n: int, p: float) -> Callable[[Rng, int], bool]:
    return lambda rng, _: covers(wilson(int(rng.binomial(n, p)), n), p)


def skewed_coverage(n: int) -> Callable[[Rng, int], bool]:
    """A 0..1 score with mass at both ends, as recall@5 has."""

    def trial(rng: Rng, index: int) -> bool:
        return covers(mean_interval(rng.beta(0.6, 0.3, n), seed=index, draws=DRAWS), 2 / 3)

    return trial


def difference_coverage(n: int, discordance: float, difference: float) -> Callable[[Rng, int], bool]:
    def trial(rng: Rng, index: int) -> bool:
        wins, losses = (discordance + difference) / 2, (discordance - difference) / 2
        d = rng.choice([1.0, -1.0, 0.0], size=n, p=[wins, losses, 1 - discordance])
        return covers(paired_difference(d, np.zeros(n), seed=index, draws=DRAWS), difference)

    return trial


def clustered_coverage(documents: int, *, even: bool, ignore: bool = False) -> Callable[[Rng, int], bool]:
    """Differences of questions of one document share half of their variance. Uneven: 1 to 9 questions a document."""

    def trial(rng: Rng, index: int) -> bool:
        sizes = np.full(documents, 5) if even else rng.integers(1, 10, documents)
        d = 0.1 + np.repeat(rng.normal(0, 0.35, documents), sizes) + rng.normal(0, 0.35, sizes.sum())
        clusters = None if ignore else clusters_of(sizes)
        return covers(paired_difference(d, np.zeros(len(d)), clusters, seed=index, draws=DRAWS), 0.1)

    return trial


def p95_coverage(n: int) -> Callable[[Rng, int], bool]:
    return lambda rng, _: covers(
        percentile_interval(rng.lognormal(0, 0.5, n), 0.95), float(np.exp(0.5 * 1.6448536))
    )


def ppi_coverage(labelled: int, unlabelled: int) -> Callable[[Rng, int], bool]:
    """An automatic 0/1 score that agrees with the label nine times in ten on right, eight in ten on wrong answers."""

    def trial(rng: Rng, _: int) -> bool:
        truth = rng.random(labelled + unlabelled) < 0.4
        score = np.where(rng.random(len(truth)) < np.where(truth, 0.9, 0.8), truth, ~truth).astype(float)
        found = ppi_mean(truth[:labelled].astype(float), score[:labelled], score[labelled:])
        return covers(found[:3], 0.4)

    return trial


# --- the table -------------------------------------------------------------------------------------------------------

Line = tuple[str, str, tuple[float, float], str]


def drawn_coverage(labelled: int, items: int, errors: float) -> Callable[[Rng, int], bool]:
    """Labels drawn by what the score says, as many of each, of a score that errs on one side only."""

    def trial(rng: Rng, _: int) -> bool:
        truth = (rng.random(items) < 0.6).astype(float)
        score = np.where(rng.random(items) < errors, 1.0, truth)
        labels, chance = np.full(items, np.nan), np.full(items, np.nan)
        for level in (0.0, 1.0):
            rows = np.flatnonzero(score == level)
            many = min(len(rows), labelled // 2)
            chosen = rng.choice(rows, many, replace=False)
            labels[chosen], chance[chosen] = truth[chosen], many / len(rows)
        found = ppi_weighted(score, labels, chance)
        return covers((found.value, found.low, found.high), 0.6)

    return trial


def error_lines(many: int) -> list[Line]:
    alone, pairs, uneven = np.ones(150, dtype=int), np.full(50, 4), np.arange(60) % 6 + 1
    return [
        ("4 equal arms, 6 pairs, 150 independent questions", "any claim", rate(family_error(alone, 0.0), many, 1), "≤ 5 %"),
        ("the same, right / not right (mid-p McNemar)", "any claim", rate(family_error(alone, 0.0, binary=True), many, 2), "≤ 5 %"),
        ("the same, 50 documents × 4 questions", "any claim", rate(family_error(pairs, 1.5), many, 3), "≤ 5 %"),
        ("the same, 60 documents × 1–6 questions", "any claim", rate(family_error(uneven, 1.5), many, 4), "≤ 5 %"),
        ("50 × 4 with the documents ignored (what we do not do)", "any claim", rate(family_error(pairs, 1.5, ignore=True), many, 3), "—"),
        ("4 equal arms, 50 × 4: a dearer arm is recommended", "RECOMMEND", rate(recommends_the_dearer(pairs, 1.5), many, 5), "≤ 5 %"),
        ("worse by just the margin of 5 points, n = 200, d = .2", "not inferior", rate(false_noninferiority(200, 0.2, 0.05), 4 * many, 6), "≤ 5 %"),
        ("worse by just the margin of 3 points, n = 60, d = .04", "not inferior", rate(false_noninferiority(60, 0.04, 0.03), 4 * many, 7), "≤ 5 %"),
    ]  # fmt: skip


def power_lines(many: int) -> list[Line]:
    lines: list[Line] = []
    for difference, discordance, arms in (
        (0.05, 0.2, 1),
        (0.1, 0.2, 1),
        (0.1, 0.4, 1),
        (0.15, 0.3, 1),
        (0.2, 0.3, 1),
        (0.1, 0.2, 3),
    ):
        n = sample_size(difference, discordance=discordance, alpha=0.05 / arms)
        what = f"{100 * difference:.0f} points, d = {discordance:g}, n = {n}" + (
            ", Holm's first step of 3" if arms > 1 else ""
        )
        lines.append(
            (
                what,
                "mid-p McNemar",
                rate(mcnemar_power(difference, discordance, n, 0.05 / arms), 4 * many, n),
                "75–85 %",
            )
        )
    n = sample_size(0.1, sd=0.35)
    lines.append(
        (
            f"0.10, sd of differences .35, n = {n}",
            "sign flip",
            rate(flip_power(0.1, 0.35, n), 2 * many, 8),
            "75–85 %",
        )
    )
    n, trial = clustered_power(0.1, 4, 0.2, 0.3)
    lines.append(
        (
            f"0.10, 4 questions a document, effective sd .50, n = {n}",
            "sign flip of documents",
            rate(trial, 2 * many, 9),
            "75–85 %",
        )
    )
    return lines


def coverage_lines(many: int) -> list[Line]:
    return [
        ("share .3, n = 50", "Wilson", rate(wilson_coverage(50, 0.3), 10 * many, 11), "93–97 %"),
        ("share .9, n = 200", "Wilson", rate(wilson_coverage(200, 0.9), 10 * many, 12), "93–97 %"),
        ("skewed 0–1 score, n = 30", "BCa", rate(skewed_coverage(30), 2 * many, 13), "93–97 %"),
        ("skewed 0–1 score, n = 200", "BCa", rate(skewed_coverage(200), 2 * many, 14), "93–97 %"),
        ("difference 5 points, d = .2, n = 100", "BCa, paired", rate(difference_coverage(100, 0.2, 0.05), 2 * many, 15), "93–97 %"),
        ("difference 2 points, d = .1, n = 200", "BCa, paired", rate(difference_coverage(200, 0.1, 0.02), 2 * many, 16), "93–97 %"),
        ("60 documents × 5", "cluster BCa, paired", rate(clustered_coverage(60, even=True), 2 * many, 17), "93–97 %"),
        ("30 documents × 1–9", "cluster BCa, paired", rate(clustered_coverage(30, even=False), 2 * many, 18), "93–97 %"),
        ("12 documents × 5", "cluster BCa, paired", rate(clustered_coverage(12, even=True), 2 * many, 19), "93–97 %"),
        ("60 documents × 5, ignored (what we do not do)", "BCa, paired", rate(clustered_coverage(60, even=True, ignore=True), 2 * many, 17), "—"),
        ("95th percentile of 150 latencies", "order statistics", rate(p95_coverage(150), 4 * many, 20), "93–99 %"),
        ("50 labels + 500 automatic scores", "PPI", rate(ppi_coverage(50, 500), 4 * many, 21), "93–97 %"),
        ("60 of 200 labelled by score, 25 % errors", "weighted PPI", rate(drawn_coverage(60, 200, 0.25), 4 * many, 22), "93–97 %"),
        ("30 of 150 labelled by score, 10 % errors", "weighted PPI", rate(drawn_coverage(30, 150, 0.10), 4 * many, 23), "≥ 93 %"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    many = 100 if parser.parse_args().quick else 1_000
    start = time.process_time()
    for title, lines in (
        ("Error rates when nothing is there", error_lines),
        ("Power at the planned number of questions (80 %)", power_lines),
        ("Coverage of the 95 % intervals", coverage_lines),
    ):
        print(f"\n### {title}\n\n| case | method | measured | wanted |\n|---|---|---|---|")
        for what, method, (share, error), wanted in lines(many):
            print(f"| {what} | {method} | {100 * share:.1f} % ± {100 * error:.1f} | {wanted} |", flush=True)
    print(f"\n{time.process_time() - start:.0f} s of one core.")


if __name__ == "__main__":
    main()
