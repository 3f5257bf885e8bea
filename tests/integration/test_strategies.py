"""A config's runner_type and strategy are built: FSDP with two processes on the CPU.

It trains as DistributedDataParallel does, its checkpoint is whole, and training goes on from it.
"""

import shutil
import sys

import pytest
import torch
from commands import SMALL
from peers import end, start_two

from condinst.cli.main import main

pytestmark = [
    pytest.mark.long,
    pytest.mark.forks,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork"),
]

CONFIG = f"""
_base_ = {SMALL.as_posix()!r}
train_cfg = dict(max_iters=4, val_interval=100)
val_cfg = val_dataloader = val_evaluator = None
default_hooks = dict(checkpoint=dict(interval=2, save_best=None))
custom_hooks = []
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="SGD", lr=0.003, momentum=0.9))
randomness = dict(seed=0)
"""
FSDP = """
runner_type = "FlexibleRunner"
strategy = dict(type="FSDPStrategy")
"""


def run(folder, *words):
    children = start_two(lambda: sys.exit(main(["train", *map(str, words)])), folder)
    try:
        assert [child.wait(180) for child in children] == [0, 0], children[0].text()[-3000:]
    finally:
        end(children)
    return children[0].text()


def assert_same(actual, expected):
    assert list(actual) == list(expected)
    for name, weight in expected.items():
        torch.testing.assert_close(actual[name], weight, rtol=1e-4, atol=1e-5, msg=name)


def test_fsdp_on_the_cpu(tmp_path, shapes, monkeypatch):
    monkeypatch.setenv("CONDINST_DATA_ROOT", f"{shapes.as_posix()}/")
    for name, text in (("ddp", CONFIG), ("fsdp", CONFIG + FSDP)):
        (tmp_path / f"{name}.py").write_text(text)
        words = tmp_path / f"{name}.py", "--launcher", "pytorch", "--work-dir", tmp_path / name
        run(tmp_path, *words)
    load = lambda path: torch.load(path, weights_only=False)  # noqa: E731
    whole = load(tmp_path / "ddp" / "iter_4.pth")
    spread = load(tmp_path / "fsdp" / "iter_4.pth")
    assert_same(spread["state_dict"], whole["state_dict"])

    resumed = tmp_path / "resumed"
    resumed.mkdir()
    shutil.copy(tmp_path / "fsdp" / "iter_2.pth", resumed)
    words = tmp_path / "fsdp.py", "--launcher", "pytorch", "--work-dir", resumed, "--resume"
    assert "resumed epoch: 0, iter: 2" in run(tmp_path, *words)
    assert_same(load(resumed / "iter_4.pth")["state_dict"], whole["state_dict"])

    # read by an ordinary runner, in one process
    arguments = [tmp_path / "fsdp.py", resumed / "iter_4.pth", "--work-dir", tmp_path / "test"]
    assert main(["test", *map(str, arguments)]) == 0
