"""``torchrun --max-restarts`` goes on by itself, from the newest checkpoint, after each death."""

import sys

import pytest
from commands import SMALL, TRAIN, log_folders, read_scalars, run

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

DEATHS = """
import os

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class DeathHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        start = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
        if runner.rank == 1 and start < 2 and runner.iter + 1 == (4, 8)[start]:
            os.kill(os.getpid(), 9)
"""
CONFIG = f"""
_base_ = {SMALL.as_posix()!r}
custom_imports = dict(imports=["condinst", "deaths"])
train_cfg = dict(max_iters=12, val_interval=100)
val_cfg = val_dataloader = val_evaluator = None
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3, save_best=None))
custom_hooks = [dict(type="DeathHook")]
train_dataloader = dict(batch_size=2)
"""


def test_two_deaths(tmp_path, shapes):
    (tmp_path / "deaths.py").write_text(DEATHS)
    (tmp_path / "config.py").write_text(CONFIG)
    work_dir = tmp_path / "run"
    done = run(
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--max-restarts=3"),
        *(TRAIN, tmp_path / "config.py", "--launcher", "pytorch", "--work-dir", work_dir),
        data=shapes,
        environment={"PYTHONPATH": str(tmp_path)},
    )
    starts = [list(read_scalars(folder)) for folder in log_folders(work_dir)]
    assert len(starts) == 3
    assert starts[0][0] == 1
    for before, after in zip(starts, starts[1:], strict=False):
        # the last that was finished is saved, logged or not: nothing is trained twice but once
        assert before[-1] <= after[0] <= before[-1] + 1
    assert starts[-1][-1] == 12
    assert done.err.count("error: lost rank 1 (process ") == 2
