"""What a stage took: wall seconds and peak memory, and how its progress is told.

Stages nest nowhere: one runs after another. Knows nothing of what they do.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StageReport:
    """One finished stage: wall time in seconds, and the peak resident memory while it ran in MB."""

    seconds: float
    peak_mb: float


@dataclass(slots=True)
class Stages:
    """The stages of one verb, in order."""

    reports: dict[str, StageReport] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block and note its peak memory; what an interrupted block took is noted as well."""
        _reset_peak()
        started = time.perf_counter()
        try:
            yield
        finally:
            self.reports[name] = StageReport(round(time.perf_counter() - started, 3), round(peak_mb(), 1))


def quiet(stage: str, done: int, total: int) -> None:
    """Take progress and tell nobody."""


def _reset_peak() -> None:
    """Let the kernel forget the high-water mark (Linux); elsewhere the peak is the process's so far."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB. Linux keeps the rusage of the program that started this one
    across exec, so that a small process of a large one would seem large: there it is read from /proc."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 / 1024 if sys.platform == "darwin" else peak / 1024
