"""A training that is killed again and again loses nothing that it had saved.

The kill comes at a random moment, or in a call by which a checkpoint is written or an old one
removed. After each, the newest whole checkpoint is at least the last one that the run had reported,
and the next run goes on from there. In the end the weights are those of a run without a kill.
"""

import os
import random
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import SMALL
from fork import Child
from mmengine.fileio import LocalBackend
from toy_training import train

from condinst.cli.main import main
from condinst.compat.checkpoint_search import newest_whole

pytestmark = [
    pytest.mark.long,
    pytest.mark.forks,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

KILLED = -signal.SIGKILL
CALLS = ((os, "fsync"), (Path, "replace"), (LocalBackend, "remove"))


def die_in(owner, name, count, after):
    """Kill this process in a call of a function, before or after it has done its work."""
    original = getattr(owner, name)
    calls = iter(range(count, -1, -1))

    def function(*args, **kwargs):
        left = next(calls)
        if left == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, function)


def number(path):
    return int(re.search(r"(\d+)\.pth", path.name)[1])


def kill_one(folder, output, draw, run, **settings):
    """Start or resume a training and kill it.

    Returns:
        The iterations that it has reported.
    """
    in_call = draw.random() < 0.5
    call, count, after = draw.choice(CALLS), draw.randrange(8), draw.random() < 0.5

    def life():
        if in_call:
            die_in(*call, count, after)
        run(folder, **settings)

    child = Child(life, output)
    if not in_call:
        child.wait_for("trained")
        time.sleep(draw.random() * 0.3)
        child.kill()
    assert child.wait() == KILLED, child.text()
    return [int(word) for word in re.findall(r"^trained (\d+)$", child.text(), re.M)]


def check_kills(tmp_path, kills, seed, run, **settings):
    """Kill a training so many times, and look at its folder each time."""
    draw = random.Random(seed)
    folder, newest = tmp_path / "killed", 0
    for index in range(kills):
        trained = kill_one(
            folder, tmp_path / "output.txt", draw, run, resume=newest > 0, **settings
        )
        if trained:
            assert trained[0] == newest + 1, f"kill {index}"
        found = newest_whole(folder)
        reported = trained[-1] if trained else newest
        newest = number(found[0]) if found else 0
        assert newest >= reported, f"kill {index}"
    return folder, newest


def check_end(folder, newest, keep, tmp_path):
    """Let the training end, and compare it with one that was not killed."""
    last = newest + 3
    same = dict(iters=last, max_keep_ckpts=keep, save_best="score", rule="greater")
    child = Child(lambda: train(folder, resume=True, **same), tmp_path / "output.txt")
    assert child.wait() == 0, child.text()
    assert not list(folder.glob("*.tmp"))
    kept = sorted(map(number, folder.glob("iter_*.pth")))
    assert kept == list(range(last - keep + 1, last + 1))
    whole = tmp_path / "whole"
    child = Child(lambda: train(whole, interval=last, **same), tmp_path / "output.txt")
    assert child.wait() == 0, child.text()
    ours, expected = (
        torch.load(path / f"iter_{last}.pth", weights_only=False) for path in (folder, whole)
    )
    assert torch.equal(ours["state_dict"]["weight"], expected["state_dict"]["weight"])
    assert ours["param_schedulers"] == expected["param_schedulers"]


@pytest.mark.parametrize("keep", [1, 3])
def test_a_few_kills(tmp_path, keep):
    best = dict(save_best="score", rule="greater")
    folder, newest = check_kills(tmp_path, 5, keep, train, max_keep_ckpts=keep, **best)
    check_end(folder, newest, keep, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [1, 3])
def test_40_kills(tmp_path, keep):
    best = dict(save_best="score", rule="greater")
    folder, newest = check_kills(tmp_path, 40, 100 + keep, train, max_keep_ckpts=keep, **best)
    check_end(folder, newest, keep, tmp_path)


CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=["condinst", "toy_training"])
train_cfg = dict(max_iters=500, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts={keep}))
custom_hooks = [dict(type="Report")]
"""


@pytest.mark.slow
@pytest.mark.parametrize("keep", [1, 3])
def test_10_kills_of_the_command(tmp_path, shapes, monkeypatch, keep):
    """``condinst train`` on the small config."""
    monkeypatch.setenv("CONDINST_DATA_ROOT", f"{shapes.as_posix()}/")
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(base=SMALL.as_posix(), keep=keep))

    def command(folder, resume):
        words = ["train", str(config), "--work-dir", str(folder), "--seed", "1"]
        sys.exit(main([*words, *(["--resume"] if resume else [])]))

    check_kills(tmp_path, 10, keep, command)
