"""What the server counts, for Prometheus. Knows Answers; nothing of requests or of what is asked: no text leaves here."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from graft.types import Answer

# Seconds. From a cached answer to a long one on a small machine.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)


class Metrics:
    """One registry an app, so that two apps in a process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "graft_requests",
            "Requests by outcome: ok, error, refused, abandoned.",
            ["variant", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "graft_stage_seconds", "Seconds of answers by stage; total is all of it, first_text until text was sent.",
            ["variant", "stage"], buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._tokens = Counter(
            "graft_tokens", "Tokens: prompt, completion.", ["variant", "kind"], registry=self._registry
        )
        self._cost = Counter(
            "graft_cost_usd", "Cost of answers with a known price.", ["variant"], registry=self._registry
        )
        self._abstentions = Counter(
            "graft_abstentions", "Answers not given.", ["variant"], registry=self._registry
        )
        self._dropped = Counter(
            "graft_dropped_citations", "Citations that pointed nowhere.", ["variant"], registry=self._registry
        )
        self._fallbacks = Counter(
            "graft_search_fallbacks", "Searches that went on without the generator's help, because it failed.",
            ["variant"], registry=self._registry,
        )  # fmt: skip
        self._cache_hits = Counter(
            "graft_cache_hits", "Answers from the cache.", ["variant"], registry=self._registry
        )
        self._active = Gauge(
            "graft_active_answers", "Answers being made or waiting.", registry=self._registry
        )

    def answered(self, answer: Answer, variant: str, *, first_text: float | None, cached: bool) -> None:
        """Count an answer that was sent. `first_text` is seconds until its first text."""
        self._requests.labels(variant, "ok").inc()
        self._abstentions.labels(variant).inc(int(answer.abstained))
        self._cache_hits.labels(variant).inc(int(cached))
        if first_text is not None:
            self._seconds.labels(variant, "first_text").observe(first_text)
        for stage, seconds in answer.timings.items():
            self._seconds.labels(variant, stage).observe(seconds)
        if not cached:
            self._dropped.labels(variant).inc(answer.dropped_citations)
            self._fallbacks.labels(variant).inc(answer.fallbacks)
            self._tokens.labels(variant, "prompt").inc(answer.usage.prompt)
            self._tokens.labels(variant, "completion").inc(answer.usage.completion)
            self._cost.labels(variant).inc(answer.cost or 0.0)

    def failed(self, variant: str, outcome: str) -> None:
        """Count a request that got no answer: "error", "refused" or "abandoned"."""
        self._requests.labels(variant, outcome).inc()

    def active(self, count: int) -> None:
        """Set how many answers are being made or waiting."""
        self._active.set(count)

    def render(self) -> bytes:
        """Return Prometheus' text format."""
        text: bytes = generate_latest(self._registry)
        return text
