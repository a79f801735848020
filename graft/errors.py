"""Everything that GRAFT raises on purpose, as one tree.

GraftError
├── ConfigError           graft.toml, an option or a name is wrong: says the key, the line and the nearest valid name
│   └── UnknownName       a backend name nobody registered
├── MissingExtra          an optional dependency is not installed: says the exact install line
├── DataError             a document, example or question cannot be used: says file:line
│   └── LeakError         held-out questions found in the training data
├── NotBuilt              a verb needs a stage that has not run: says which verb to run first
├── Mismatch              artefacts that do not belong together (prompt, base model, embedder, fingerprint)
├── BackendError          a model, store or endpoint failed
│   └── EndpointError     an HTTP endpoint failed after its retries
├── BudgetExceeded        a money or time cap was reached; finished work is kept
└── WorkspaceError        the project folder cannot be read or written (permissions, disk full, locked)

Every message says what is wrong, where, and what to do next. `hint` holds the last part, so that a surface may
print it on a line of its own; `str(error)` contains both.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GraftError(Exception):
    """Base of all of GRAFT's errors. `message` says what and where; `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class ConfigError(GraftError):
    """The project file, an option or an argument is wrong."""


class UnknownName(ConfigError):
    """A name that is not registered; the message lists the nearest names, then all of them."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        names = sorted(known)
        near = nearest(name, names)
        place = f" ({where})" if where else ""
        guess = f"Did you mean {near!r}? " if near else ""
        super().__init__(f"Unknown {kind} {name!r}{place}.", f"{guess}Known: {', '.join(names) or 'none'}.")


class MissingExtra(GraftError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, module: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {module!r}, which is not installed.",
            f"Install it with: pip install 'graft-llm[{extra}]'",
        )


class DataError(GraftError):
    """A document, example or question cannot be used."""


class LeakError(DataError):
    """Held-out questions occur in the training data, so the comparison would mean nothing."""


class NotBuilt(GraftError):
    """A verb needs a stage that has not run yet."""


class Mismatch(GraftError):
    """Two artefacts do not belong together, for example an adapter and another base model."""


class BackendError(GraftError):
    """A model, a store or another backend failed."""


class EndpointError(BackendError):
    """An HTTP endpoint failed after its retries."""


class BudgetExceeded(GraftError):
    """A cap on money or time was reached; what was finished is kept."""


class WorkspaceError(GraftError):
    """The project folder cannot be read or written."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name` (difflib ratio ≥ 0.6), else one that it begins or that begins it, else None."""
    names = list(known)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    matches += [
        other for other in names if len(name) > 2 and (other.startswith(name) or name.startswith(other))
    ]
    return matches[0] if matches else None
