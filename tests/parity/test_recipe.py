"""Our 90k config says the same as the one that mmdet's published checkpoint was trained with."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from oracle import CONFIG_90K


@pytest.fixture
def configs(repo, monkeypatch) -> tuple[Config, Config]:
    monkeypatch.delenv("CONDINST_DATA_ROOT", raising=False)
    ours = Config.fromfile(repo / "configs/condinst_r50_fpn_ms-poly-90k_coco_instance.py")
    return Config.fromfile(CONFIG_90K), ours


@pytest.mark.parametrize(
    "key",
    [
        "model",
        "train_dataloader",
        "val_dataloader",
        "test_dataloader",
        "val_evaluator",
        "train_cfg",
        "param_scheduler",
        "optim_wrapper",
        "auto_scale_lr",
        "env_cfg",
    ],
)
def test_equal(configs, key):
    theirs, ours = (_plain(cfg[key]) for cfg in configs)
    if key == "model":
        # False is the default of both implementations
        assert theirs["bbox_head"].pop("dcn_on_last_conv") is False
    if key == "train_dataloader":
        # the deliberate addition: mask targets are made in the data workers
        added = ours["dataset"]["pipeline"].pop(-2)
        stride = configs[1].model.mask_head.mask_out_stride
        assert added == {"type": "PrepareMaskTargets", "stride": stride}
    if key == "env_cfg":
        # the deliberate addition: after how many seconds a silent process is lost
        assert ours["dist_cfg"].pop("timeout") == 300
    assert ours == theirs


def _plain(value):
    """Dicts and lists all the way down; tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def test_the_longer_schedule_is_three_times_the_shorter(repo, configs):
    longer = Config.fromfile(
        repo / "configs/condinst/condinst_r50_fpn_ms-poly-270k_coco_instance.py"
    )
    assert longer.train_cfg.max_iters == 3 * configs[1].train_cfg.max_iters
    assert longer.param_scheduler[1].milestones == [210000, 250000]
    assert longer.train_cfg.val_interval == 10000
    assert longer.optim_wrapper == configs[1].optim_wrapper
