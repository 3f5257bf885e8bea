"""mmdet 3.3.0's BoxInst is the oracle: its shipped config, read unchanged, builds ours."""

from __future__ import annotations

import math
from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from oracle import build_pair, coco_samples, collate, run_loss, run_predict

from condinst.models import BoxInst, BoxInstBboxHead, BoxInstDataPreprocessor, BoxInstMaskHead

SHIPPED = Path(mmdet.__file__).parent / ".mim/configs/boxinst/boxinst_r50_fpn_ms-90k_coco.py"


def small_config() -> Config:
    """mmdet's config with a ResNet-18 and narrow heads."""
    cfg = Config.fromfile(SHIPPED)
    model = cfg.model
    model.backbone.update(depth=18, init_cfg=None)
    model.neck.update(in_channels=[64, 128, 256, 512], out_channels=64)
    model.bbox_head.update(in_channels=64, feat_channels=64, stacked_convs=2)
    model.mask_head.mask_feature_head.update(in_channels=64, feat_channels=32)
    return cfg


@pytest.fixture(autouse=True)
def iteration():
    """A run in the middle of the warm-up."""
    info = MessageHub.get_current_instance().runtime_info
    info["iter"] = 4000
    yield
    info.pop("iter")


def samples_of(datasets, scale, inds):
    """Images without masks whose bottom strips mmdet scales right.

    mmdet divides by the padded height of the batch where the height of the original image is
    meant; here the two are made equal.
    """
    samples = coco_samples(datasets, scale, inds)
    height = max(math.ceil(s["data_samples"].img_shape[0] / 32) * 32 for s in samples)
    for sample in samples:
        del sample["data_samples"].gt_instances.masks
        shape = (height, sample["data_samples"].ori_shape[1])
        sample["data_samples"].set_metainfo(dict(ori_shape=shape))
    return samples


def relative(actual, expected):
    return ((actual - expected).norm() / expected.norm().clamp(min=1e-12)).item()


def test_shipped_config_builds_ours_and_loads_strictly():
    cfg = Config.fromfile(SHIPPED)
    cfg.model.backbone.init_cfg = None
    theirs, ours = build_pair(cfg)  # loads strictly
    assert type(theirs).__module__.startswith("mmdet.")
    assert type(ours) is BoxInst
    assert type(ours.bbox_head) is BoxInstBboxHead
    assert type(ours.mask_head) is BoxInstMaskHead
    assert type(ours.data_preprocessor) is BoxInstDataPreprocessor


@pytest.mark.parametrize("cap", [64, 12, -1])
def test_losses_and_gradients(datasets, cap):
    cfg = small_config()
    cfg.model.mask_head.topk_masks_per_img = cap
    theirs, ours = build_pair(cfg)
    batch = samples_of(datasets, (427, 320), [3, 5, 6])
    losses = []
    for model in (theirs, ours):
        model.train()
        losses.append(run_loss(model, collate(batch)))
        sum(losses[-1].values()).backward()
    assert losses[0].keys() == losses[1].keys()
    for key, expected in losses[0].items():
        assert expected > 0
        assert relative(losses[1][key], expected) < 1e-5, key
    gradients = dict(ours.named_parameters())
    for key, parameter in theirs.named_parameters():
        if parameter.grad is not None and parameter.grad.norm() > 1e-8:
            assert relative(gradients[key].grad, parameter.grad) < 1e-3, key


def test_the_warm_up_counts_as_mmdet_does(datasets):
    theirs, ours = build_pair(small_config())
    batch = samples_of(datasets, (211, 160), [3])
    info = MessageHub.get_current_instance().runtime_info
    for iteration, factor in [(0, 0.0), (2500, 0.25), (10_000, 1.0), (25_000, 1.0)]:
        info["iter"] = iteration
        expected, actual = (
            run_loss(model.train(), collate(batch))["loss_mask_pairwise"].item()
            for model in (theirs, ours)
        )
        assert actual == pytest.approx(expected, rel=1e-4), factor


def test_predictions(datasets):
    theirs, ours = build_pair(small_config())
    batch = coco_samples(datasets, (427, 320), [3, 5])
    expected, actual = (run_predict(model.eval(), collate(batch)) for model in (theirs, ours))
    for sample, our_sample in zip(expected, actual, strict=True):
        a, b = sample.pred_instances, our_sample.pred_instances
        assert len(a) == 100
        assert torch.equal(a.labels, b.labels)
        assert (a.bboxes - b.bboxes).abs().max() < 1e-2
        assert (a.scores - b.scores).abs().max() < 1e-4
        assert (a.masks == b.masks).float().mean() > 0.9999
