"""A signal from a scheduler ends a training with a checkpoint, from which it goes on exactly."""

import contextlib
import os
import re
import signal
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch
from commands import free_port
from fork import Child
from mmengine.hooks import Hook
from toy_training import train

pytestmark = [
    pytest.mark.long,
    pytest.mark.forks,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]


class Slow(Hook):
    """Says that a stage has begun, and takes its time for it."""

    priority = "LOW"

    def __init__(self, seconds, stage):
        setattr(self, stage, lambda *args, **kwargs: self.act(seconds, stage))

    def act(self, seconds, stage):
        os.write(1, f"\nin {stage}\n".encode())
        time.sleep(seconds)


@pytest.fixture
def start(tmp_path):
    """Starts a training in a folder of its own."""
    children = []

    def start(folder="run", environment=(), slow=None, leader=False, **settings):
        def life():
            os.environ.update(environment)
            if leader:
                os.setsid()
            train(tmp_path / folder, hooks=[Slow(*slow)] if slow else [], **settings)

        children.append(Child(life, tmp_path / f"output{len(children)}.txt"))
        return children[-1]

    yield start
    for child in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            child.kill()


def trained(child):
    """The iterations that it has reported; the one in which it stops is one more."""
    return [int(word) for word in re.findall(r"^trained (\d+)$", child.text(), re.M)]


def saved(folder, pattern="iter_*.pth"):
    return sorted(int(re.search(r"(\d+)\.pth", path.name)[1]) for path in folder.glob(pattern))


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGUSR1, 138)]
)
def test_a_signal_saves_a_checkpoint_and_ends(tmp_path, start, signum, code):
    child = start(interval=10_000)
    child.wait_for("trained 3")
    child.kill(signum)
    assert child.wait() == code
    (last,) = saved(tmp_path / "run")
    assert last >= trained(child)[-1] >= 3
    assert (tmp_path / "run" / "last_checkpoint").read_text() == f"iter_{last}.pth"
    said = f"Stopped by {signum.name} after {last} iterations; .*iter_{last}.pth.*--resume"
    assert re.search(said, child.text())


@pytest.mark.parametrize("counted", [dict(iters=80), dict(iters=80, accumulate=4)])
def test_the_run_goes_on_exactly(tmp_path, start, counted):
    """Between updates, not while gradients are being accumulated."""
    child = start(interval=1000, slow=(0.02, "before_train_iter"), **counted)
    child.wait_for("trained 10")
    child.kill(signal.SIGTERM)
    assert child.wait() == 143
    (last,) = saved(tmp_path / "run")
    assert last % counted.get("accumulate", 1) == 0
    resumed, whole = start(resume=True, **counted), start("whole", **counted)
    assert resumed.wait() == whole.wait() == 0
    assert trained(resumed) == list(range(last + 1, 81))
    ours, expected = (
        torch.load(tmp_path / name / "iter_80.pth", weights_only=False) for name in ("run", "whole")
    )
    assert torch.equal(ours["state_dict"]["weight"], expected["state_dict"]["weight"])
    for part in ("optimizer", "param_schedulers"):
        assert str(ours[part]) == str(expected[part])


def test_a_second_one_ends_at_once(tmp_path, start):
    child = start(interval=2, slow=(5.0, "before_val"))
    child.wait_for("in before_val")
    child.kill(signal.SIGTERM)
    time.sleep(0.02)
    child.kill(signal.SIGTERM)  # what a launcher passes on once more is no second one
    child.wait_for("a second one ends at once")
    time.sleep(0.7)
    begin = time.monotonic()
    child.kill(signal.SIGTERM)
    assert child.wait() == 143
    assert time.monotonic() - begin < 2
    assert re.search(r"SIGTERM: ends at once; the last checkpoint is .*iter_4.pth", child.text())
    assert saved(tmp_path / "run") == [4]


def test_it_ends_a_process_that_hangs(tmp_path):
    """In a call that no handler in Python interrupts, as an exchange with a lost process is."""

    class Hang(Hook):
        def before_val(self, runner):
            os.write(1, b"\nhangs\n")
            while True:
                torch.ones(1_000_000_000 // 50).cumsum(0).sort()

    child = Child(lambda: train(tmp_path / "run", hooks=[Hang()]), tmp_path / "output.txt")
    child.wait_for("hangs")
    child.kill(signal.SIGTERM)
    child.wait_for("a second one")
    time.sleep(0.6)
    begin = time.monotonic()
    child.kill(signal.SIGTERM)
    assert child.wait() == 143
    assert time.monotonic() - begin < 1


def test_in_a_validation_the_last_iteration_is_saved(tmp_path, start):
    child = start(interval=1000, slow=(0.5, "before_val_iter"))
    child.wait_for("in before_val_iter")
    child.kill(signal.SIGTERM)
    assert child.wait() == 143
    assert trained(child)[-1] == 4
    assert saved(tmp_path / "run") == [4]
    assert child.text().count("in before_val_iter") == 1


@pytest.mark.parametrize(
    ("stage", "said", "left"),
    [
        ("before_run", "the training had not begun", []),
        ("before_train", "the training had not begun", []),
        ("after_train", "the last checkpoint is .*iter_8.pth", [8]),
    ],
)
def test_before_and_after_the_iterations_it_ends_at_once(tmp_path, start, stage, said, left):
    child = start(iters=8, slow=(30.0, stage))
    child.wait_for(f"in {stage}")
    begin = time.monotonic()
    child.kill(signal.SIGTERM)
    assert child.wait() == 143
    assert time.monotonic() - begin < 10
    assert re.search(f"SIGTERM: ends at once; ({said})", child.text())
    assert saved(tmp_path / "run") == left


def test_ctrl_c_ends_at_once_and_names_the_last_checkpoint(tmp_path):
    def life():
        try:
            train(tmp_path / "run", interval=2, hooks=[Slow(30.0, "before_val")])
        except KeyboardInterrupt:
            sys.exit(130)  # as the command does

    child = Child(life, tmp_path / "output.txt")
    child.wait_for("in before_val")
    child.kill(signal.SIGINT)
    assert child.wait() == 130
    lines = [line for line in child.text().splitlines() if line and not line.startswith("trained")]
    assert re.match(r"Interrupted; the last checkpoint is .*iter_4.pth", lines[-1])


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    """As nohup wants it."""

    def life():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        train(tmp_path / "run", iters=40, hooks=[Slow(0.01, "before_train_iter")])

    child = Child(life, tmp_path / "output.txt")
    child.wait_for("trained 3")
    child.kill(signal.SIGHUP)
    assert child.wait() == 0
    assert trained(child)[-1] == 40


def members(group):
    """The processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append(stat.parent.name)
    return found


def test_data_workers_leave_it_to_the_training(tmp_path, start):
    """Slurm signals every process of a job."""
    child = start(interval=1000, workers=2, leader=True, slow=(0.3, "before_train_iter"))
    child.wait_for("trained 2")
    os.killpg(child.pid, signal.SIGTERM)
    assert child.wait() == 143
    assert saved(tmp_path / "run") == [trained(child)[-1] + 1]
    assert "worker (pid" not in child.text()
    assert members(child.pid) == []


def test_data_workers_of_a_killed_training_end(tmp_path, start):
    child = start(workers=2, leader=True, slow=(0.1, "before_train_iter"))
    child.wait_for("trained 1")
    child.kill()
    child.wait()
    end = time.monotonic() + 20
    while members(child.pid):  # a worker looks for its parent every 5 seconds
        assert time.monotonic() < end, members(child.pid)
        time.sleep(0.1)


def test_a_training_with_data_workers_ends_by_itself(tmp_path, start):
    child = start(workers=2, iters=4)
    assert child.wait(40) == 0


def test_a_closed_terminal(tmp_path):
    """The kernel sends SIGHUP, and printing fails from then on."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        code = 1
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
        sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
        try:
            train(tmp_path / "run", interval=10_000, hooks=[Slow(1.0, "before_train_iter")])
        except SystemExit as end:
            code = end.code
        except BaseException:
            (tmp_path / "error.txt").write_text(traceback.format_exc())
        finally:
            os._exit(code)
    text = b""
    # closed while the child sleeps: its own os.write would fail before the signal is handled
    while b"in before_train_iter" not in text.partition(b"trained 2")[2]:
        text += os.read(terminal, 1000)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    error = tmp_path / "error.txt"
    assert os.waitstatus_to_exitcode(status) == 129, error.exists() and error.read_text()
    assert len(saved(tmp_path / "run")) == 1


def test_epochs(tmp_path, start):
    """In the middle of one the file is named after the iteration."""
    child = start(epochs=3, slow=(0.01, "before_train_iter"))
    child.wait_for("trained 40")  # 32 in an epoch
    child.kill(signal.SIGTERM)
    assert child.wait() == 143
    (last,) = saved(tmp_path / "run")
    meta = torch.load(tmp_path / "run" / f"iter_{last}.pth", weights_only=False)["meta"]
    assert (meta["epoch"], meta["iter"]) == (1, last)
    assert 64 > last > 32
    assert saved(tmp_path / "run", "epoch_*.pth") == [1]
    resumed, whole = start(resume=True, epochs=3), start("whole", epochs=3)
    assert resumed.wait() == whole.wait() == 0
    assert trained(resumed) == list(range(last + 1, 97))
    ours, expected = (
        torch.load(tmp_path / name / "epoch_3.pth", weights_only=False) for name in ("run", "whole")
    )
    assert ours["meta"]["iter"] == 96
    assert torch.equal(ours["state_dict"]["weight"], expected["state_dict"]["weight"])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("stage", ["before_train_iter", "before_val_iter"])
def test_several_processes_stop_together(tmp_path, start, rank, stage):
    """Whichever of them gets the signal."""
    shared = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()), WORLD_SIZE="2")
    children = [
        start(
            launcher="pytorch",
            interval=1000,
            slow=(0.05, stage),
            environment={**shared, "RANK": str(number), "LOCAL_RANK": str(number)},
        )
        for number in range(2)
    ]
    children[rank].wait_for(f"in {stage}")
    time.sleep(0.2)
    children[rank].kill(signal.SIGTERM)
    assert [child.wait() for child in children] == [143, 143]
    assert len(saved(tmp_path / "run")) == 1
    assert trained(children[0]) == trained(children[1])
