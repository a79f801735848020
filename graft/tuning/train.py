"""Rows + Trainer → an adapter with its manifest; skipped when the folder already holds what was asked for.

Knows nothing of how a Trainer works: it resumes by itself when called again with the same folder and rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from graft.errors import DataError
from graft.protocols import Progress, Trainer
from graft.tuning.adapters import AdapterManifest, adapter_fingerprint, read_manifest, write_manifest
from graft.types import TrainingRow
from graft.workspace import guard, read_json, write_json

Rows = tuple[Sequence[TrainingRow], Sequence[TrainingRow]]

# The identity under which unfinished work lies in the folder: work for another identity is not resumed.
STARTED = "started.json"


def train_adapter(
    rows: Callable[[], Rows],
    trainer: Trainer,
    folder: Path,
    *,
    identity: Mapping[str, str],
    seed: int,
    progress: Progress,
    retrain: bool = False,
) -> AdapterManifest:
    """Return the manifest of the adapter in `folder`, after training it if it is not there yet.

    `rows` makes (train, dev) when they are needed. `identity` is all that the adapter is made of, as hashes: a complete
    adapter of the same identity is returned as it is, an interrupted one goes on, anything else is removed first.
    """
    wanted = {**identity, "seed": str(seed)}
    done = read_manifest(folder)
    if done is not None and dict(done.identity) == wanted and not retrain:
        return done
    train, dev = rows()
    if not train:
        raise DataError("No example is left to train on.", "Add examples, or look at what the check refused.")
    with guard(folder):
        if retrain or done is not None or read_json(folder / STARTED) != wanted:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / STARTED, wanted)
    report = trainer.train(train, dev, folder, seed=seed, progress=progress)
    manifest = AdapterManifest(
        identity=wanted,
        fingerprint=adapter_fingerprint(folder),
        rows=len(train),
        dev_rows=len(dev),
        seed=seed,
        steps=report["steps"],
        best_step=report["best_step"],
        tokens=report["tokens"],
        seconds=report["seconds"],
        loss=tuple(tuple(point) for point in report["loss"]),
        accuracy=tuple(tuple(point) for point in report.get("accuracy", ())),
        refused=tuple(report["refused"]),
        settings=report.get("settings", {}),
        versions=report.get("versions", {}),
        notes=tuple(report.get("notes", ())),
    )
    write_manifest(folder, manifest)
    with guard(folder):
        (folder / STARTED).unlink()
    return manifest
