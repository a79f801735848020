"""What a model's folder is, by its content: so that a fingerprint follows the model and not the place it lies in."""

from __future__ import annotations

from pathlib import Path

from graft.types import content_hash
from graft.workspace import file_hash

_MADE_OF = frozenset({".json", ".safetensors", ".txt", ".model"})


def hash_of(folder: Path) -> str:
    """Return a hash of a model's files: all that it is made of, and nothing that lies beside it by chance."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _MADE_OF)
    return content_hash(*(f"{path.relative_to(folder).as_posix()}:{file_hash(path)}" for path in files))
