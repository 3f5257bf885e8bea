"""Our RTMDet-Ins configs against those that mmdet ships, key by key."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from rtmdet_pair import SIZES, shipped_file

from condinst import model_zoo
from condinst.config.check import check_config

# ours only: defaults of the class, keys that mmdet needs and ours have as defaults
_MODEL = ("pad_size_divisor", "bbox_coder", "batch_augments", "allowed_border", "pos_weight")
_MODEL += ("debug", "share_conv", "pred_kernel_size", "mask_thr", "mask_thr_binary")


@pytest.fixture(params=SIZES)
def configs(request) -> tuple[Config, Config]:
    ours = Config.fromfile(model_zoo.get(f"rtmdet-ins_{request.param}").config)
    return ours, Config.fromfile(shipped_file(request.param))


def plain(value, without=()):
    """Plain lists and dicts; norms by default have requires_grad."""
    if isinstance(value, dict):
        found = {k: plain(v, without) for k, v in value.items() if k not in without}
        if found.get("type") == "SyncBN":
            found.pop("requires_grad", None)
        return found
    return [plain(v, without) for v in value] if isinstance(value, list | tuple) else value


def steps(pipeline):
    """The transforms without our last step and without arguments that are defaults."""
    return [
        plain(step, ("backend_args", "meta_keys"))
        for step in pipeline
        if step.type != "PrepareMaskTargets"
    ]


def test_model(configs):
    ours, theirs = (plain(cfg.model, _MODEL) for cfg in configs)
    assert ours == theirs
    assert configs[0].model.test_cfg.mask_thr == configs[1].model.test_cfg.mask_thr_binary


def test_every_key_is_known(configs):
    """Of mmdet's config as it is, read with our default scope, and of ours."""
    ours, theirs = configs
    theirs.default_scope = "condinst"
    check_config(theirs)
    check_config(ours)


def test_optimizer_and_schedule(configs):
    ours, theirs = configs
    assert plain(ours.optim_wrapper) == plain(theirs.optim_wrapper)
    assert plain(ours.param_scheduler) == plain(theirs.param_scheduler)
    for key in ("max_epochs", "val_interval", "dynamic_intervals"):
        assert ours.train_cfg[key] == theirs.train_cfg[key]
    # the name says how many images each of 8 GPUs has; mmdet's config for x, 8xb16, forgets it
    batch = int(shipped_file("x" if "_x_" in theirs.filename else "l").stem.split("8xb")[1][:2])
    assert ours.train_dataloader.batch_size == batch
    assert ours.auto_scale_lr.base_batch_size == 8 * batch


def test_pipelines(configs):
    ours, theirs = configs
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        expected = steps(theirs[loader].dataset.pipeline)
        if loader != "train_dataloader":  # ours draws the masks, too
            expected[3].update(with_mask=True, poly2mask=False)
        assert steps(ours[loader].dataset.pipeline) == expected
    assert ours.train_dataloader.sampler == theirs.train_dataloader.sampler
    assert ours.train_dataloader.batch_sampler is None
    hooks, their_hooks = (
        {hook.type: plain(hook, ("switch_pipeline",)) for hook in cfg.custom_hooks}
        for cfg in configs
    )
    for name in ("EMAHook", "PipelineSwitchHook"):
        assert hooks[name] == their_hooks[name]
    ends = [next(h for h in cfg.custom_hooks if h.type == "PipelineSwitchHook") for cfg in configs]
    assert steps(ends[0].switch_pipeline) == steps(ends[1].switch_pipeline)
