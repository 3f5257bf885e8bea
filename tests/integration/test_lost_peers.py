"""A process that is lost ends the run: soon, by name, with a checkpoint, with an exit code.

It is lost by a kill, by a link that breaks, or by a machine that stands still. The other process is
in training, in validation, or waits for a long evaluation, which must not be taken for a loss.
"""

import re
import signal
import sys
import time

import pytest
import torch
import toy_training
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from peers import cable, end, start_two, train

from condinst.compat.checkpoint_search import newest_whole

pytestmark = [
    pytest.mark.long,
    pytest.mark.forks,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork"),
]

LIMIT = 4  # seconds without a sign
RARELY = dict(interval=1000)  # the schedule saves nothing


class Pause(Hook):
    """Keeps iterations from being too many to repeat."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        time.sleep(0.05)


@pytest.fixture
def two(tmp_path):
    """Starts two processes, which end with the test."""
    started = []

    def start(function, between=None):
        children = start_two(function, tmp_path, between)
        started.extend(children)
        return children

    yield start
    end(started)


def last_words(survivor, lost):
    """Wait for the end of a process; the one line that it says."""
    assert survivor.wait(90) == 1
    text = survivor.text()
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    # of a process whose machine alone could tell its number, the address is named
    assert re.match(rf"error: lost rank {lost}( \(process |: no answer from )", lines[0])
    assert "Traceback" not in text
    return lines[0]


def check_saved(work_dir, survivor, two, tmp_path):
    """The checkpoint is of the last finished iteration: the weights of an undisturbed run."""
    text = survivor.text()
    said = max(int(line.split()[1]) for line in text.splitlines() if line.startswith("trained "))
    path, meta = newest_whole(work_dir)
    last = meta["iter"]
    assert last in (said, said + 1)  # it says so last of all
    assert f"the last checkpoint is {path} " in text
    whole = tmp_path / "whole"
    children = two(lambda: train(whole, 60, iters=last, interval=last))
    assert [child.wait(90) for child in children] == [0, 0], children[0].text()
    expected = torch.load(whole / f"iter_{last}.pth", weights_only=False)
    found = torch.load(path, weights_only=False)
    assert found["state_dict"]["weight"].abs() > 0
    for name, weight in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], weight)
    assert found["optimizer"]["param_groups"][0]["lr"] == pytest.approx(
        expected["optimizer"]["param_groups"][0]["lr"]
    )


def test_a_killed_process(two, tmp_path):
    work_dir = tmp_path / "run"
    first, second = two(lambda: train(work_dir, 300, hooks=[Pause()], **RARELY))
    first.wait_for("trained 7\n")
    second.kill()
    begun = time.monotonic()
    assert f"(process {second.pid} on" in last_words(first, 1)
    assert time.monotonic() - begun < 15  # far less than the limit: the connection is closed
    check_saved(work_dir, first, two, tmp_path)


def test_a_link_that_is_cut(two, tmp_path):
    """Without namespaces, a process that stands still: of the other machine nothing arrives."""
    work_dir = tmp_path / "run"
    with cable() as between:
        first, second = two(lambda: train(work_dir, LIMIT, hooks=[Pause()], **RARELY), between)
        first.wait_for("trained 7\n")
        if between is None:
            second.kill(signal.SIGSTOP)
        else:
            between.cut()
        begun = time.monotonic()
        line = last_words(first, 1)
        assert f"no sign of life for {LIMIT} s" in line
        assert LIMIT - 2 < time.monotonic() - begun < LIMIT + 15
        if between is not None:  # the other side sees the same of the first
            assert "10.231.77.1" in last_words(second, 0)
    check_saved(work_dir, first, two, tmp_path)


def test_the_first_process_stands_still(two, tmp_path):
    work_dir = tmp_path / "run"
    first, second = two(lambda: train(work_dir, LIMIT, hooks=[Pause()], interval=5, iters=10_000))
    first.wait_for("trained 7\n")
    first.kill(signal.SIGSTOP)
    assert "iter_5.pth" in last_words(second, 0)  # only the first writes


class SlowSteps(toy_training.Steps):
    """Evaluates on the first process for longer than the limit, or is waited for in vain."""

    def compute_metrics(self, results):
        print("evaluates", flush=True)
        time.sleep(2 * LIMIT)
        return super().compute_metrics(results)


def slow_evaluation(work_dir, **settings):
    toy_training.Steps = SlowSteps
    train(work_dir, LIMIT, **RARELY, **settings)


def test_a_long_evaluation_is_no_loss(two, tmp_path):
    children = two(lambda: slow_evaluation(tmp_path / "run", iters=4))
    assert [child.wait(90) for child in children] == [0, 0], children[1].text()
    assert "evaluates" in children[0].text()
    assert "evaluates" not in children[1].text()


def test_a_process_that_is_lost_in_validation(two, tmp_path):
    """The first waits for the predictions of the second, which never come."""

    class Stop(Hook):
        def before_val_epoch(self, runner):
            if get_rank() == 1:
                print("validates", flush=True)
                time.sleep(1)

    work_dir = tmp_path / "run"
    first, second = two(lambda: train(work_dir, LIMIT, hooks=[Stop()], **RARELY))
    second.wait_for("validates")
    second.kill(signal.SIGSTOP)
    assert "iter_4.pth" in last_words(first, 1)
    check_saved(work_dir, first, two, tmp_path)
