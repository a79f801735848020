"""A file of JSON Lines that a user wrote: its lines with their numbers, and one error that shows the place of every problem.

Knows nothing of what the lines hold. What GRAFT writes itself is read by workspace.py, which forgives a torn last line.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from graft.errors import DataError

MOST_PROBLEMS = 20
"""How many problems of one file are listed; who has as many will look at the whole file anyway."""


def lines(path: Path, what: str, missing: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of the lines of a JSONL or JSONL.gz file that are not blank. Raises DataError; `what`
    the file holds and the hint when it is `missing` are for its message."""
    data = b""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"No {what} at {path}.", missing) from error
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{number} is not UTF-8.", "Save the file as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Check the file and its permissions.") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def unusable(path: Path, problems: Sequence[str], hint: str, what: str = "line") -> DataError:
    """Return the error that lists what is wrong where; `what` is a line of the file, or a row of a table."""
    more = " (and perhaps more)" if len(problems) == MOST_PROBLEMS else ""
    many = "s" * (len(problems) > 1)
    listed = "\n  ".join(problems)
    return DataError(f"{path}: {len(problems)} {what}{many} cannot be used{more}:\n  {listed}\n", hint)
