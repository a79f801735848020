"""Memory that was freed, back to the operating system. Knows nothing of what it was for."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def give_back() -> None:
    """Return what the C library keeps of freed memory. After 200,000 chunks were read by Lance's threads glibc kept 600 of
    1,500 MB for another time, which does not come. A few milliseconds; nothing where there is no glibc."""
    trim = _trim()
    if trim is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; on Windows None is no library
        return None
