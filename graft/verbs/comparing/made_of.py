"""What a comparison was made of, in words, for whoever reads its report elsewhere. Names only: no address, no key."""

from __future__ import annotations

from importlib.metadata import version

from graft.settings import Backend, Config


def made_of(config: Config) -> dict[str, str]:
    """Return what → its setting: GRAFT's version, the model, what finds evidence, decoding, statistics."""
    retrieval, generation, evaluation = config.retrieval, config.generation, config.evaluation
    reranker = {} if retrieval.reranker is None else {"reranker": _named(retrieval.reranker)}
    return {
        "GRAFT": version("graft-llm"),
        "model": _named(generation.model),
        "trainer": _named(config.tuning.trainer),
        "chunker": _named(retrieval.chunker),
        "embedder": _named(retrieval.embedder),
        **reranker,
        "search": f"{retrieval.mode}, {retrieval.passages} passages of at most {retrieval.passage_tokens} tokens together",
        "decoding": f"at most {generation.max_tokens} tokens, temperature {generation.temperature:g}",
        "statistics": f"{evaluation.draws:,} bootstrap draws, seed {config.project.seed}",
    }


def _named(backend: Backend) -> str:
    """Return a backend's name and the settings that are plain values; where it lives is nobody's business."""
    told = {
        key: value
        for key, value in backend.options.items()
        if isinstance(value, str | int | float) and not key.endswith(("url", "env"))
    }
    return " ".join([backend.name, *(f"{key}={value}" for key, value in told.items())])
