"""Benchmark of RTMDet-Ins' training step beside mmdet's, and of the memory of its masks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.datasets import CocoDataset
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor

from benchmarks.measure import Comparison, compare, compare_peaks
from benchmarks.models import Context
from benchmarks.pipeline import load_image
from benchmarks.rtmdet import SIZES, build_rtmdet_pair, published_rtmdet, test_items
from benchmarks.training import losses_of, make_optimizer, train_step
from condinst.models.speed import to_channels_last

_SIDE = 640
_OBJECTS = 500


def run(context: Context) -> list[Comparison]:
    """Measure forward, backward and optimizer step on batches of real images, for both sizes.

    The images are those of the last epochs of the published recipe, without Mosaic and MixUp. A
    batch has 2 images on a CPU and 16 on a GPU.
    """
    items = test_items(context.root, 4)
    found = [_compare_memory(context, *build_rtmdet_pair("tiny", context.device, items))]
    for size in SIZES:
        found += _compare_steps(context, size, items)
    return found


def _compare_steps(context: Context, size: str, items: list[dict[str, Any]]) -> list[Comparison]:
    cpu = context.device == "cpu"
    count = 2 if cpu else 16
    theirs, ours = build_rtmdet_pair(size, context.device, items)
    their_batch, our_batch = (
        pseudo_collate([load_image(data, i) for i in range(count)])
        for data in (_training_set(context.root, scope) for scope in ("mmdet", "condinst"))
    )
    with torch.no_grad():
        # both update the averages of their norms
        expected = losses_of(copy.deepcopy(theirs).train(), their_batch)
        actual = losses_of(copy.deepcopy(ours).train(), our_batch)
    worst = max(((actual[k] - expected[k]).abs() / expected[k].abs()).item() for k in expected)
    values = ", ".join(f"{k} {v.item():.4f}" for k, v in actual.items())
    note = f"{count} images of {_SIDE} x {_SIDE}; {values}; they differ by {worst:.1g}"
    fast = copy.deepcopy(ours)
    to_channels_last(fast)
    step = partial(train_step, theirs, their_batch, context.device, make_optimizer(theirs))
    common: dict[str, Any] = dict(
        rounds=max(context.rounds // 3, 3), warmup=1, device=context.device
    )
    return [
        compare(
            f"RTMDet-Ins-{size}: training step, fp32, no switches",
            step,
            partial(train_step, ours, our_batch, context.device, make_optimizer(ours)),
            note=note,
            bar=1.15,
            **common,
        ),
        compare(
            f"RTMDet-Ins-{size}: training step, recommended switches, against mmdet's fp32",
            step,
            partial(train_step, fast, our_batch, context.device, make_optimizer(fast), mixed=True),
            note="the same images; ours channels-last, bfloat16 autocast",
            bar=1.8,
            **common,
        ),
    ]


def _training_set(root: Path, scope: str) -> CocoDataset:
    """Build the training set of the last epochs with the transforms of a scope."""
    cfg = published_rtmdet("tiny")
    node = cfg.train_dataloader.dataset
    (end,) = (h.switch_pipeline for h in cfg.custom_hooks if h.type == "PipelineSwitchHook")
    pipeline = copy.deepcopy(end)
    for step in pipeline:
        if step.type == "RandomResize":
            step.ratio_range = (1.0, 1.0)
    if scope == "condinst":
        pipeline.insert(len(pipeline) - 1, dict(type="PrepareMaskTargets", stride=4))
    with DefaultScope.overwrite_default_scope(scope):
        return CocoDataset(
            data_root=str(root),
            ann_file=node.ann_file,
            data_prefix=node.data_prefix,
            filter_cfg=node.filter_cfg,
            pipeline=pipeline,
        )


def _compare_memory(context: Context, theirs: Any, ours: Any) -> Comparison:
    """Compare the losses of an image with many objects and their gradients, given the features."""
    batch = _crowded_batch()
    theirs.train()
    ours.train()
    datas = [model.data_preprocessor(copy.deepcopy(batch), True) for model in (theirs, ours)]
    with torch.no_grad():
        feats = theirs.extract_feat(datas[0]["inputs"])
    their_feats, our_feats = (
        tuple(feat.clone().requires_grad_() for feat in feats) for _ in range(2)
    )
    samples = datas[0]["data_samples"]

    def take_theirs() -> Tensor:
        outputs = theirs.bbox_head(their_feats)
        losses = theirs.bbox_head.loss_by_feat(
            *outputs,
            [copy.copy(sample.gt_instances) for sample in samples],  # it draws the masks into them
            [sample.metainfo for sample in samples],
        )
        return _backward(losses, their_feats)

    def take_ours() -> Tensor:
        dense = ours.bbox_head(our_feats)
        mask_feats = ours.mask_head.mask_feature_head(our_feats)
        return _backward(ours.loss_of(dense, mask_feats, datas[1]["data_samples"]), our_feats)

    functions: tuple[Callable[[], Tensor], ...] = take_theirs, take_ours
    expected, actual = (function().item() for function in functions)
    return compare_peaks(
        "RTMDet-Ins-tiny: losses of an image with 500 objects, peak memory",
        *functions,
        rounds=2,
        device=context.device,
        note=f"heads, assignment and losses, {_SIDE} x {_SIDE}; sums {expected:.5f} and "
        f"{actual:.5f}",
        bar=10.0,
    )


def _backward(losses: dict[str, Any], feats: tuple[Tensor, ...]) -> Tensor:
    values = [
        v for value in losses.values() for v in (value if isinstance(value, list) else [value])
    ]
    total = torch.stack(values).sum()
    torch.autograd.grad(total, feats, allow_unused=True)
    return total.detach()


def _crowded_batch() -> dict[str, list[Any]]:
    """Make one image of noise with ellipses."""
    draw = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    centers = draw.uniform(16, _SIDE - 16, (_OBJECTS, 2))
    radii = draw.uniform(6, 16, (_OBJECTS, 1, 2))
    outlines = centers[:, None] + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    corners = np.concatenate([outlines.min(axis=1), outlines.max(axis=1)], axis=1)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=(_SIDE, _SIDE),
            ori_shape=(_SIDE, _SIDE),
            pad_shape=(_SIDE, _SIDE),
            scale_factor=(1.0, 1.0),
            img_id=0,
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.from_numpy(corners.astype(np.float32)),
        labels=torch.from_numpy(draw.integers(0, 80, _OBJECTS)),
        masks=PolygonMasks([[outline.ravel()] for outline in outlines], _SIDE, _SIDE),
    )
    empty = torch.zeros(0, 4)
    sample.ignored_instances = InstanceData(
        bboxes=empty, labels=torch.zeros(0, dtype=torch.long), masks=PolygonMasks([], _SIDE, _SIDE)
    )
    pixels = draw.integers(0, 256, (3, _SIDE, _SIDE), dtype=np.uint8)
    return dict(inputs=[torch.from_numpy(pixels)], data_samples=[sample])
