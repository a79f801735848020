"""Writing a training checkpoint: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from graft.workspace import guard

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(folder: Path, content: Mapping[str, Any]) -> None:
    """Write it to a temporary file, flushed, then renamed, so that a kill leaves the old one or the new one."""
    temporary = folder / f"{CHECKPOINT}.part"
    with guard(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            torch.save(dict(content), handle)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(folder / CHECKPOINT)
