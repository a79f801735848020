"""Several processes for one adapter: the same weights as one, one clear message when one dies, and nothing left running."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from graft import plugins
from graft.backends.trainers import together, train_data
from graft.errors import BackendError, ConfigError, DataError, MissingExtra, NotBuilt
from graft.testing.models import TrainerConformance, chat, tiny_model
from graft.types import TrainingRow

ROWS = TrainerConformance.ROWS
quiet = lambda *_: None  # noqa: E731

# Stands for a worker: says what real ones say and does what its rank is told to.
FAKE = """
import json, os, signal, sys, time
from pathlib import Path
from graft.workspace import read_json, write_json
folder, rank = Path(sys.argv[1]), os.environ["RANK"]
(folder / f"pid-{rank}").write_text(str(os.getpid()))
print(json.dumps({"step": 1, "of": 2}), flush=True)
doing = os.environ["FAKE"].split(",")[int(rank)]
if doing == "fine":
    if rank == "0":
        write_json(folder / "report.json", {"key": read_json(folder / "job.json")["key"], "report": {"settings": {"rank": 4}}})
    print(json.dumps({"step": 2, "of": 2}), flush=True)
elif doing == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif doing == "crash":
    sys.exit("RuntimeError: out of luck")
elif doing == "victim":
    time.sleep(0.3)
    sys.exit("RuntimeError: connection closed by peer")
elif doing == "error":
    print(json.dumps({"error": "MissingExtra", "message": "No peft.", "hint": "Install it."}), flush=True)
    sys.exit(2)
elif doing == "silent":
    pass
else:
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def faked(tmp_path, monkeypatch):
    (tmp_path / "fake_worker.py").write_text(FAKE, encoding="utf-8")
    monkeypatch.setattr(together, "MODULE", "fake_worker")
    monkeypatch.setattr(together, "PATIENCE", 1.0)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def train(doing):
        monkeypatch.setenv("FAKE", doing)
        (tmp_path / "a").mkdir(exist_ok=True)
        return trainer("nano", processes=doing.count(",") + 1).train(
            ROWS, ROWS[:2], tmp_path / "a", seed=1, progress=quiet
        )

    return train


def trainer(folder, **options):
    return plugins.build(
        "trainer", "peft", {"model": str(folder), "epochs": 2, "batch_size": 4, "device": "cpu", **options}
    )


def running(folder: Path) -> list[int]:
    """The processes of fakes that still run."""
    pids = [int(path.read_text()) for path in folder.glob("pid-*")]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_the_report_of_the_workers_comes_back_and_nothing_is_left(faked, tmp_path):
    report = faked("fine,fine")
    assert report == {"settings": {"rank": 4, "processes": 2, "elsewhere": False}}
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["pid-0", "pid-1"]


@pytest.mark.parametrize(
    ("doing", "kind", "message"),
    [
        ("sleep,error", MissingExtra, r"^No peft\. Install it\.$"),
        (
            "victim,killed",
            BackendError,
            "process 2 of 2 was ended by SIGKILL; .*last checkpoint.*batch_tokens",
        ),
        ("crash,sleep", BackendError, r"process 1 of 2 failed: RuntimeError: out of luck.*worker-0\.log"),
        ("silent,silent", BackendError, "ended without a result"),
    ],
)
def test_a_worker_that_dies_ends_the_others_with_one_message(faked, tmp_path, doing, kind, message):
    with pytest.raises(kind, match=message):
        faked(doing)
    assert running(tmp_path / "a") == []


@pytest.mark.usefixtures("faked")
def test_an_interrupted_parent_takes_its_workers_along(tmp_path, monkeypatch):
    def interrupted(*_call):
        raise KeyboardInterrupt

    monkeypatch.setenv("FAKE", "sleep,sleep")
    (tmp_path / "a").mkdir()
    with pytest.raises(KeyboardInterrupt):
        trainer("nano", processes=2).train(ROWS, (), tmp_path / "a", seed=1, progress=interrupted)
    assert running(tmp_path / "a") == []


def test_rows_for_elsewhere_are_prepared_once_and_fetched_when_done(tmp_path):
    elsewhere = trainer("nano", elsewhere=True)
    with pytest.raises(
        NotBuilt, match=r"12 rows are prepared.*torchrun .* -m graft\.backends\.trainers\.worker"
    ):
        elsewhere.train(ROWS, ROWS[:2], tmp_path, seed=1, progress=quiet)
    job = json.loads((tmp_path / "job.json").read_text(encoding="utf-8"))
    report = {"key": "of other rows", "report": {}}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(NotBuilt, match="not trained yet"):
        elsewhere.train(ROWS, ROWS[:2], tmp_path, seed=1, progress=quiet)
    report = {"key": job["key"], "report": {"settings": {}}}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert elsewhere.train(ROWS, ROWS[:2], tmp_path, seed=1, progress=quiet)["settings"]["elsewhere"]
    assert list(tmp_path.iterdir()) == []


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert trainer("nano", device="auto", processes=0)._processes() == 2
    with pytest.raises(ConfigError, match=r"processes = 3 .* 2 GPUs are visible"):
        trainer("nano", device="auto", processes=3)._processes()
    with pytest.raises(ConfigError, match="names one device"):
        trainer("nano", device="cuda:1", processes=2)._processes()
    assert trainer("nano", device="cpu", processes=0)._processes() == 1


def test_where_it_is_trained_is_not_part_of_what_is_made():
    assert trainer("nano").fingerprint == trainer("nano", processes=4, elsewhere=True).fingerprint


def test_shares_part_a_step_and_not_its_rows():
    lengths = [5, 9, 7, 3, 8, 8, 2]
    plans = [
        train_data.plan_steps(lengths, epochs=2, batch_size=4, batch_tokens=1000, seed=1, shares=shares)
        for shares in (1, 2, 4)
    ]
    rows = [[[row for batch in step for row in batch] for step in plan] for plan in plans]
    assert rows[0] == rows[1] == rows[2]
    assert [[len(step) for step in plan] for plan in plans] == [[1, 1, 1, 1], [2, 2, 2, 2], [3, 4, 3, 4]]


def test_the_job_holds_the_rows_and_options_as_they_were(folder, tmp_path):
    from graft.backends.trainers import worker
    from graft.records import from_dict

    options = {"target_modules": ["q_proj", "v_proj"], "rank": 4, "learning_rate": 1e-3}
    with pytest.raises(NotBuilt):
        trainer(folder, elsewhere=True, **options).train(
            ROWS, ROWS[:2], tmp_path / "a", seed=3, progress=quiet
        )
    job = json.loads((tmp_path / "a" / "job.json").read_text(encoding="utf-8"))
    assert [from_dict(TrainingRow, row) for row in job["rows"]] == list(ROWS)
    said = io.StringIO()
    worker._train(tmp_path / "a", said)
    assert said.getvalue().splitlines()[-1] == '{"step": 6, "of": 6}'
    trainer(folder, **options).train(ROWS, ROWS[:2], tmp_path / "b", seed=3, progress=quiet)
    ours, theirs = (load_file(tmp_path / name / "adapter_model.safetensors") for name in "ab")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    with pytest.raises(NotBuilt, match=r"no job\.json"):
        worker._train(tmp_path, said)


# --- real processes -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)  # three imports of torch each, on whatever core is free
def test_two_processes_train_what_one_trains(folder, tmp_path):
    """The same steps, each shared out, give the same weights up to rounding; dev and its curve are agreed on."""
    calls = []
    options = {"learning_rate": 1e-3, "dtype": "float32"}
    reports = [
        trainer(folder, processes=processes, **options).train(
            ROWS, ROWS[:2], tmp_path / str(processes), seed=1, progress=lambda *call: calls.append(call)
        )
        for processes in (1, 2)
    ]
    one, two = (
        torch.cat([tensor.flatten() for name, tensor in sorted(held.items()) if "lora_B" in name])
        for held in (load_file(tmp_path / name / "adapter_model.safetensors") for name in "12")
    )
    assert (one - two).norm() < 0.05 * one.norm(), "0.009 by rounding; half of each step alone is 0.54 away"
    assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]
    assert (reports[0]["steps"], reports[0]["tokens"]) == (reports[1]["steps"], reports[1]["tokens"])
    assert reports[1]["loss"][-1][2] == pytest.approx(reports[0]["loss"][-1][2], rel=0.02)
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)  # three imports of torch each, on whatever core is free
def test_an_error_of_real_workers_is_the_same_as_without_them(folder, tmp_path):
    rows = [TrainingRow("long", tuple(chat("Why?")), "because " * 300)]
    with pytest.raises(DataError, match="All 1 training rows are longer than the 512 tokens"):
        trainer(folder, processes=2).train(rows, (), tmp_path, seed=1, progress=quiet)


@pytest.mark.slow
@pytest.mark.timeout(600)  # three imports of torch each, on whatever core is free
def test_killed_workers_go_on_from_the_checkpoint_and_die_with_their_parent(folder, tmp_path):
    """kill -9 of the parent leaves nothing running; the next call goes on where the checkpoint was."""
    script = """
import sys
from pathlib import Path
from graft.backends.trainers.train_peft import PeftTrainer
from graft.testing.models import TrainerConformance
rows = TrainerConformance.ROWS
options = PeftTrainer.Options(model=sys.argv[1], epochs=400, batch_size=4, patience=10**6, processes=2, device="cpu")
PeftTrainer(options).train(rows, rows[:2], Path(sys.argv[2]), seed=1, progress=lambda *call: print(*call, flush=True))
"""
    short = {**os.environ, "PYTHONPATH": str(tmp_path)}
    # Checkpoints at every step, in the workers: sitecustomize is imported at their start.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'graft.backends.trainers.worker' in ' '.join(sys.orig_argv):\n"
        "    from graft.backends.trainers import train_loop\n"
        "    train_loop.CHECKPOINT_SECONDS, train_loop.CHECKPOINT_SHARE = 0.0, float('inf')\n"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "a")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=short)
    for _ in range(5):
        assert process.stdout.readline().startswith("train ")
    children = [
        int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    assert len(children) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(_alive(pid) for pid in children):
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in children)
    assert (tmp_path / "a" / "checkpoint.pt").exists()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=short)
    first = process.stdout.readline()
    process.terminate()
    process.stdout.close()
    process.wait()
    assert int(first.split()[1]) > 3


@pytest.mark.slow
@pytest.mark.timeout(600)  # three imports of torch each, on whatever core is free
def test_torchrun_trains_what_was_prepared(folder, tmp_path):
    options = {"learning_rate": 1e-3, "elsewhere": True}
    with pytest.raises(NotBuilt, match="torchrun"):
        trainer(folder, **options).train(ROWS, ROWS[:2], tmp_path / "a", seed=1, progress=quiet)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", together.MODULE,
         str(tmp_path / "a")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '{"step": 6, "of": 6}' in done.stdout
    report = trainer(folder, **options).train(ROWS, ROWS[:2], tmp_path / "a", seed=1, progress=quiet)
    assert (report["steps"], report["settings"]["elsewhere"]) == (6, True)
    alone = trainer(folder, learning_rate=1e-3).train(ROWS, ROWS[:2], tmp_path / "b", seed=1, progress=quiet)
    assert report["loss"][0][2] == pytest.approx(alone["loss"][0][2], rel=1e-3)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
