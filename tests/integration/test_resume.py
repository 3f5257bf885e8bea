"""A training that is killed goes on as if nothing had happened.

Both are runs of ``tools/train.py`` with the seed and deterministic algorithms, random flips and a
moving average of the weights. The second is killed twice, and each time started again with
``--resume``:

    uninterrupted     1 2 3 4 5 6 7 8 9 10 11 12
    killed after 6    1 2 3 4 5 6
    killed while the checkpoint of 8 is written      5 6 7 8
    to the end                                       5 6 7 8 9 10 11 12

The order of the data is continued, not only the iteration: the sampler is advanced, and each
sample and each iteration has a seed of its own (``condinst.compat.data_order``). So it does not
matter that the last start loads with two workers, nor that images have more positives than
``max_masks_to_train``, of which a random selection is drawn: all is equal to the last bit.

The seed decides too: without ``--seed``, ``tools/train.py`` takes it from the checkpoint
(tests/unit/cli/test_train.py), mmengine alone would shuffle anew. More ways to load data are in
tests/unit/compat/test_data_order.py.
"""

import os
import sys

import pytest
import torch
from commands import REPO, SMALL, TRAIN, log_folders, read_scalars, run

from condinst.compat.checkpoint import load_from_local

pytestmark = pytest.mark.long

CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=["condinst", "killer"])
train_cfg = dict(max_iters=12, val_interval=100)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=4, save_best=None, max_keep_ckpts=5)
)
custom_hooks = [dict(type="EMAHook", momentum=0.1), {hook}]
param_scheduler = [dict(type="PolyLR", eta_min=0, end=12, by_epoch=False)]
val_cfg = val_dataloader = val_evaluator = None
model = dict(mask_head=dict(max_masks_to_train=3))
"""
KILLED = -9


@pytest.fixture(scope="module")
def start(tmp_path_factory, shapes):
    """Starts a training in a folder, with a death planned or not."""
    if sys.platform == "win32":
        pytest.skip("Windows has no SIGKILL")
    folder = tmp_path_factory.mktemp("resume")

    def start(work_dir, *arguments, code=0, **death):
        config = folder / "config.py"
        config.write_text(CONFIG.format(base=SMALL.as_posix(), hook=dict(type="KillHook", **death)))
        run(
            *(TRAIN, config, "--work-dir", work_dir, *arguments),
            data=shapes,
            environment={"PYTHONPATH": f"{SMALL.parent}{os.pathsep}{REPO}"},
            code=code,
        )

    return start


@pytest.fixture(scope="module")
def runs(tmp_path_factory, start):
    """The work folders of the uninterrupted and of the killed training."""
    whole, killed = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    same = ("--seed", 1, "--deterministic")
    start(whole, *same)
    start(killed, *same, after_iter=6, code=KILLED)
    assert sorted(p.name for p in killed.glob("iter_*")) == ["iter_4.pth"]
    start(killed, *same, "--resume", while_writing=8, code=KILLED)
    assert sorted(p.name for p in killed.glob("iter_*")) == ["iter_4.pth", "iter_8.pth.tmp"]
    start(killed, *same, "--resume", "--cfg-options", "train_dataloader.num_workers=2")
    return whole, killed


def test_losses_follow_the_uninterrupted_run(runs):
    whole, killed = runs
    expected = read_scalars(log_folders(whole)[0])
    first, second, third = (read_scalars(folder) for folder in log_folders(killed))
    assert list(expected) == list(range(1, 13))
    assert list(first) == [1, 2, 3, 4, 5, 6]
    assert list(second) == [5, 6, 7, 8]
    assert list(third) == [5, 6, 7, 8, 9, 10, 11, 12]
    for start in (first, second, third):
        for iteration, record in start.items():
            for name in ("loss", "loss_cls", "loss_bbox", "loss_centerness", "loss_mask", "lr"):
                assert record[name] == expected[iteration][name]


def test_everything_in_the_last_checkpoint_is_the_same(runs):
    """Weights, moving average, optimizer, schedule, and the message hub's history."""
    whole, killed = (load_from_local(str(folder / "iter_12.pth")) for folder in runs)
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert part in whole
        assert_equal(killed[part], whole[part])
    assert killed["meta"]["iter"] == whole["meta"]["iter"] == 12
    assert killed["meta"]["seed"] == 1
    histories = [checkpoint["message_hub"]["log_scalars"] for checkpoint in (whole, killed)]
    for name in ("train/loss", "train/loss_mask", "train/lr"):
        values, counts = zip(*(history[name].data for history in histories), strict=True)
        assert len(values[0]) == 12
        assert (values[0] == values[1]).all()
        assert (counts[0] == counts[1]).all()


def assert_equal(actual, expected):
    """Compare nested states to the last bit."""
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            assert_equal(actual[key], expected[key])
    elif isinstance(expected, list | tuple):
        for pair in zip(actual, expected, strict=True):
            assert_equal(*pair)
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected)
    else:
        assert actual == expected
