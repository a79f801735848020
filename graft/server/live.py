"""Keeps what was asked, for `graft drift`: a JSON line an answer, only where the operator says so.

Opened for each line, so that the file may be moved away at any time. A disk that is full costs lines, never an answer.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from graft.types import Answer, Message

_log = logging.getLogger("graft.server")


class LiveLog:
    """Appends to a file that only its owner may read: it holds what people ask."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._failing = False

    def __call__(self, messages: Sequence[Message], answer: Answer, variant: str) -> None:
        """Keep a question with when it was answered, by what, and whether it was declined."""
        line = json.dumps(
            {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "variant": variant,
                "question": messages[-1].content,
                "turns": len(messages),
                "abstained": answer.abstained,
            },
            ensure_ascii=False,
        )
        with self._lock:
            try:
                self._append(line)
                self._failing = False
            except OSError as error:
                if not self._failing:  # once, not for every question
                    _log.warning("The log of questions %s cannot be written: %s", self._path, error)
                self._failing = True

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
