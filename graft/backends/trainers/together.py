"""Several processes that train one adapter: the job they share, starting and following them here, or leaving it to torchrun.

The folder is all they have in common: `job.json` (rows and options), the checkpoint, in the end the adapter and
`report.json`. What they compute together is `train_loop`'s business; a worker is `graft.backends.trainers.worker`.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft import errors
from graft.errors import BackendError, GraftError, NotBuilt
from graft.protocols import Progress
from graft.records import to_dict
from graft.types import TrainingRow, content_hash
from graft.workspace import guard, read_json, write_json

if TYPE_CHECKING:
    from graft.backends.trainers.train_peft import PeftTrainer

MODULE = "graft.backends.trainers.worker"
JOB, REPORT = "job.json", "report.json"
PATIENCE = 3.0  # seconds for the others to end: when one dies they fail too, and the first to be heard may be a victim


@dataclass(slots=True)
class _Worker:
    rank: int
    process: subprocess.Popen[bytes]
    log: Path
    partial: bytes = b""
    error: dict[str, str] = field(default_factory=dict)


def train(
    options: PeftTrainer.Options,
    rows: Sequence[TrainingRow],
    dev: Sequence[TrainingRow],
    folder: Path,
    *,
    seed: int,
    processes: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train in `processes` processes of this machine and return the report (see `graft.protocols.Trainer`); with
    `options.elsewhere` return that of the processes which torchrun started, or raise NotBuilt that says how to start them.

    Raises what a worker raised; BackendError when one died. The others are ended then, and the next call goes on from the
    checkpoint.
    """
    key = _prepare(replace(options, processes=1, elsewhere=False), rows, dev, folder, seed)
    report = _report(folder, key)
    if report is None:
        if options.elsewhere:
            raise NotBuilt(
                f"{len(rows)} rows are prepared in {folder} and not trained yet ([tuning.trainer] elsewhere).",
                f"On every machine, with this folder shared: torchrun --nnodes=N --nproc-per-node=GPUS --rdzv-backend=c10d "
                f"--rdzv-endpoint=HOST:29500 -m {MODULE} {folder}; then run graft build again.",
            )
        workers: list[_Worker] = []
        try:
            workers += _started(folder, processes)
            _follow(workers, progress)
        finally:
            _end(workers)
        report = _report(folder, key)
        if report is None:
            raise BackendError(
                "The training processes ended without a result.", f"Their logs lie in {folder}."
            )
    with guard(folder):
        for path in [folder / JOB, folder / REPORT, *folder.glob("worker-*.log")]:
            path.unlink(missing_ok=True)
    return {
        **report,
        "settings": {**report["settings"], "processes": processes, "elsewhere": options.elsewhere},
    }


def _prepare(
    options: PeftTrainer.Options,
    rows: Sequence[TrainingRow],
    dev: Sequence[TrainingRow],
    folder: Path,
    seed: int,
) -> str:
    """Write the job and return its key, by which its report is known."""
    job = {"options": asdict(options), "seed": seed, "rows": to_dict(rows), "dev": to_dict(dev)}
    key = content_hash(json.dumps(job, sort_keys=True))
    write_json(folder / JOB, {"key": key, **job})
    return key


def _report(folder: Path, key: str) -> dict[str, Any] | None:
    """Return what the workers reported of this job, None while they have not."""
    found = read_json(folder / REPORT)
    return found["report"] if found is not None and found["key"] == key else None


def _started(folder: Path, processes: int) -> list[_Worker]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers = []
    for rank in range(processes):
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes,
                 "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        log = folder / f"worker-{rank}.log"
        with guard(log), log.open("wb") as handle:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(folder), "--watched"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=handle,
                env={**os.environ, **{name: str(value) for name, value in ranks.items()}},
            )  # fmt: skip
        workers.append(_Worker(rank, process, log))
    return workers


def _follow(workers: Sequence[_Worker], progress: Progress) -> None:
    """Pass on the workers' progress until all have ended well. Raises for the first that did not."""
    with selectors.DefaultSelector() as waiting:
        for worker in workers:
            waiting.register(_pipe(worker), selectors.EVENT_READ, worker)
        while waiting.get_map():
            for ready, _ in waiting.select():
                worker = ready.data
                heard = os.read(ready.fd, 65536)
                if heard:
                    _hear(worker, heard, progress)
                    continue
                waiting.unregister(ready.fileobj)
                if worker.process.wait() != 0:
                    raise _failure(workers, worker, progress)


def _hear(worker: _Worker, heard: bytes, progress: Progress) -> None:
    *lines, worker.partial = (worker.partial + heard).split(b"\n")
    for line in lines:
        said = json.loads(line)
        if "error" in said:
            worker.error = said
        else:
            progress("train", said["step"], said["of"])


def _failure(workers: Sequence[_Worker], first: _Worker, progress: Progress) -> GraftError:
    """Return what to raise: what a worker said itself, else who was killed, else the first that failed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(worker.process.poll() is None for worker in workers):
        time.sleep(0.05)
    for worker in workers:
        if worker.process.poll():
            with contextlib.suppress(ValueError):  # its pipe was read to the end before
                while heard := os.read(_pipe(worker).fileno(), 65536):
                    _hear(worker, heard, progress)
    said = [worker for worker in workers if worker.error]
    if said:
        error = said[0].error
        kind = getattr(errors, error["error"], GraftError)
        raised: GraftError = kind.__new__(kind)  # some kinds put their message together from other arguments
        GraftError.__init__(raised, error["message"], error["hint"])
        return raised
    killed = [worker for worker in workers if (worker.process.poll() or 0) < 0]
    worker = killed[0] if killed else first
    code = worker.process.returncode
    name = f"Training process {worker.rank + 1} of {len(workers)}"
    again = "The same command goes on from the last checkpoint."
    if code < 0:
        return BackendError(
            f"{name} was ended by {signal.Signals(-code).name}; the others were stopped.",
            f"{again} If memory ran out: a smaller batch_tokens, or activation_checkpointing = true.",
        )
    last = worker.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return BackendError(f"{name} failed: {last or f'exit code {code}'}", f"Its log is {worker.log}. {again}")


def _end(workers: Sequence[_Worker]) -> None:
    """End those that still run, and close their pipes."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.terminate()
    for worker in workers:
        try:
            worker.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                pipe.close()


def _pipe(worker: _Worker) -> Any:
    return worker.process.stdout
