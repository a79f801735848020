"""What an adapter is: its manifest on disk, and the check that it belongs to this prompt and this base model.

The manifest is written last, so its presence means that the adapter is complete. Knows files and hashes; nothing of
models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.errors import Mismatch, NotBuilt
from graft.records import from_dict, to_dict
from graft.types import content_hash
from graft.workspace import file_hash, read_json, write_json

MANIFEST = "manifest.json"
FILES = ("adapter_config.json", "adapter_model.safetensors")
POINTS = 12  # what a line holds of a curve


@dataclass(frozen=True, slots=True)
class AdapterManifest:
    """How an adapter came to be.

    `identity` is what it is made of: hashes of data, prompt, base model and settings. `loss` is the curve, one [step,
    train, dev] a measurement (cross-entropy in nats a token; None where not measured), and `accuracy` one [step, share
    of dev answer tokens right]; `best_step` is the step whose weights were kept. `tokens` were read in training,
    `seconds` of wall time; `refused` are row ids too long to train on; `versions` the libraries; `rows` and `dev_rows`
    how many were given.
    """

    identity: Mapping[str, str]
    fingerprint: str
    rows: int
    dev_rows: int
    seed: int
    steps: int = 0
    best_step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: tuple[tuple[float | None, ...], ...] = ()
    accuracy: tuple[tuple[float, ...], ...] = ()
    refused: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line: what it was trained on, how far, how good."""
        dev = [point[2] for point in self.loss if point[2] is not None]
        fell = f", dev loss {dev[0]:.2f} → {min(dev):.2f}" if len(dev) > 1 else ""
        left_out = f", {len(self.refused)} rows refused (too long)" if self.refused else ""
        return f"{self.rows} rows, {self.steps} steps (best {self.best_step}), {self.seconds:.0f} s{fell}{left_out}"

    @property
    def curve(self) -> str:
        """One line: dev loss and the share of dev answer tokens that were likeliest, at each measurement (of a long run at
        a dozen of them, evenly); the weights of the step with the star were kept. "" without dev rows."""
        right = {int(point[0]): point[1] for point in self.accuracy}
        points = [(int(point[0] or 0), point[2]) for point in self.loss if point[2] is not None]
        step = max(1, -(-(len(points) - 1) // (POINTS - 1)))
        shown = [point for place, point in enumerate(points)
                 if place % step == 0 or place == len(points) - 1 or point[0] == self.best_step]  # fmt: skip
        told = [
            f"{at}{'*' if at == self.best_step else ''}: {loss:.2f}"
            + (f" {right[at]:.0%}" if at in right else "")
            for at, loss in shown
        ]
        return f"dev loss and right tokens by step {', '.join(told)}" if told else ""


def read_manifest(folder: Path) -> AdapterManifest | None:
    """Return the adapter's manifest, or None when the adapter is not complete."""
    data = read_json(folder / MANIFEST)
    if data is None or not all((folder / name).is_file() for name in FILES):
        return None
    return from_dict(AdapterManifest, data)


def write_manifest(folder: Path, manifest: AdapterManifest) -> None:
    """Mark the adapter as complete."""
    write_json(folder / MANIFEST, to_dict(manifest))


def adapter_fingerprint(folder: Path) -> str:
    """Return the hash of the adapter's configuration and weights. Raises NotBuilt when they are not there."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise NotBuilt(f"The adapter in {folder} lacks {', '.join(missing)}.", "Run graft build.")
    return content_hash(*(file_hash(folder / name) for name in FILES))


def verify(folder: Path, *, prompt: str, base: str) -> AdapterManifest:
    """Return the manifest of an adapter that was trained with this prompt on this base model and has not changed since.

    `prompt` and `base` are fingerprints. Raises NotBuilt for an incomplete adapter, Mismatch otherwise.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise NotBuilt(f"There is no complete adapter in {folder}.", "Run graft build.")
    for name, wanted, why in (
        (
            "prompt",
            prompt,
            "it was tuned on another prompt (the instructions or GRAFT's prompt builder changed)",
        ),
        ("base", base, "it was tuned on another base model"),
    ):
        found = manifest.identity.get(name)
        if found != wanted:
            raise Mismatch(
                f"The adapter in {folder} does not fit: {why}; {name} {found} there, {wanted} here.",
                "Run graft build to train it again, or go back to the settings it was made with.",
            )
    if adapter_fingerprint(folder) != manifest.fingerprint:
        raise Mismatch(f"The files of the adapter in {folder} changed after it was trained.",
                       "Run graft build with retraining, or restore the files.")  # fmt: skip
    return manifest
