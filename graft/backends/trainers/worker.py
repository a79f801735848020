"""One of the processes that train an adapter together: `python -m graft.backends.trainers.worker FOLDER`.

PeftTrainer starts them on one machine (`processes`); torchrun and `accelerate launch` on several, with the folder that
`elsewhere = true` prepared on a disk they share. Who is who stands in RANK, WORLD_SIZE and their like, as these set them.
Says progress and errors as JSON lines on standard output; everything that libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from graft.backends.trainers.together import JOB, REPORT
from graft.errors import GraftError, NotBuilt
from graft.records import from_dict
from graft.types import TrainingRow
from graft.workspace import read_json, write_json


def main(arguments: list[str]) -> int:
    """Train as one process of several; return the exit code."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if "--watched" in arguments:
        threading.Thread(target=_outlive_nobody, daemon=True).start()
    try:
        _train(Path(arguments[0]), channel)
    except GraftError as error:
        _say(channel, {"error": type(error).__name__, "message": error.message, "hint": error.hint})
        return 2
    return 0


def _train(folder: Path, channel: TextIO) -> None:
    import torch

    from graft.backends.trainers import train_loop
    from graft.backends.trainers.train_peft import PeftTrainer

    job = read_json(folder / JOB)
    if job is None:
        raise NotBuilt(
            f"There is no {JOB} in {folder}.", "Run graft build with [tuning.trainer] elsewhere = true first."
        )
    if torch.cuda.is_available():  # before the model is loaded: "cuda" is the current device
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    options = PeftTrainer.Options(
        **{**job["options"], "target_modules": tuple(job["options"]["target_modules"])}
    )
    rows, dev = (tuple(from_dict(TrainingRow, row) for row in job[name]) for name in ("rows", "dev"))
    report = PeftTrainer(options).train(
        rows, dev, folder, seed=job["seed"],
        progress=lambda _stage, done, total: _say(channel, {"step": done, "of": total}),
    )  # fmt: skip
    if train_loop.is_main_process():
        write_json(folder / REPORT, {"key": job["key"], "report": report})
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _say(channel: TextIO, what: dict[str, Any]) -> None:
    print(json.dumps(what, ensure_ascii=False), file=channel, flush=True)


def _outlive_nobody() -> None:
    """End this process when the one that started it is gone, however it went: its end of the pipe is closed then."""
    os.read(0, 1)  # not sys.stdin, whose lock would be held when this process ends in peace
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
