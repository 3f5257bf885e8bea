"""Benchmark of the dynamic mask head and the mask loss: time and peak memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import Tensor, nn

from benchmarks.measure import Comparison, compare, compare_peaks
from benchmarks.models import Context, build_pair
from condinst.models.losses.mask_losses import mask_loss
from condinst.models.structures import Instances
from condinst.models.task_modules.ground_truth import prepare_ground_truth

_SIZE = (100, 152)  # size of the mask features of an 800 x 1216 image
_NUM_OBJECTS = 20


def run(context: Context) -> list[Comparison]:
    """Measure on random instances and features, the same for both implementations."""
    theirs, ours = build_pair(context.device)
    theirs.mask_head.mask_feature_head = nn.Identity()  # the features are given
    return [
        *_compare_forward(context, theirs.mask_head, ours.mask_head),
        _compare_loss(context, theirs.mask_head, ours.mask_head),
        _compare_memory(context, theirs.mask_head, ours.mask_head),
    ]


def _inputs(device: str, counts: list[int]) -> tuple[Tensor, Instances]:
    generator = torch.Generator().manual_seed(0)
    total = sum(counts)
    feats = torch.randn(len(counts), 8, *_SIZE, generator=generator)
    strides = torch.tensor([8.0, 16, 32, 64, 128])
    instances = Instances(
        params=(0.3 * torch.randn(total, 169, generator=generator)).to(device),
        points=(torch.rand(total, 2, generator=generator) * 800).to(device),
        strides=strides[torch.randint(0, 5, (total,), generator=generator)].to(device),
        counts=counts,
        gt_inds=torch.randint(0, _NUM_OBJECTS, (total,), generator=generator).to(device),
    )
    return feats.to(device), instances


def _their_instances(instances: Instances, params: Tensor) -> list[InstanceData]:
    assert instances.gt_inds is not None
    fields = (params, instances.points, instances.strides, instances.gt_inds)
    names = ("param_preds", "points", "strides", "pos_assigned_gt_inds")
    per_image = zip(*(x.split(instances.counts) for x in fields), strict=True)
    return [InstanceData(**dict(zip(names, parts, strict=True))) for parts in per_image]


def _compare_forward(context: Context, theirs: Any, ours: Any) -> list[Comparison]:
    feats, instances = _inputs(context.device, [100])
    leaves = feats.clone().requires_grad_(), instances.params.clone().requires_grad_()

    def draw_theirs(feats: Tensor, params: Tensor) -> Tensor:
        return theirs(feats, _their_instances(instances, params))[0][0]

    def draw_ours(feats: Tensor, params: Tensor) -> Tensor:
        return ours(feats, Instances(params, instances.points, instances.strides, [100]))

    def without_grad(draw: Callable) -> Callable[[], Tensor]:
        return torch.no_grad()(lambda: draw(feats, instances.params))

    def with_grad(draw: Callable) -> Callable[[], tuple[Tensor, ...]]:
        return lambda: torch.autograd.grad(draw(*leaves).sum(), leaves)

    expected, actual = without_grad(draw_theirs)(), without_grad(draw_ours)()
    error = ((expected - actual).abs().max() / expected.abs().max()).item()
    common: dict[str, Any] = dict(rounds=context.rounds, device=context.device)
    note = f"100 instances, 100 x 152 locations, to stride 4; logits differ by {error:.1g}"
    return [
        compare(
            "dynamic head, forward",
            without_grad(draw_theirs),
            without_grad(draw_ours),
            note=note,
            bar=2.5 if context.device == "cpu" else 5.0,
            **common,
        ),
        compare(
            "dynamic head, forward and backward",
            with_grad(draw_theirs),
            with_grad(draw_ours),
            note="the same",
            **common,
        ),
    ]


def _losses(
    theirs: Any, ours: Any, device: str, counts: list[int], cap: int
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Return two functions that compute the mask loss and its gradients, and return the loss."""
    feats, instances = _inputs(device, counts)
    leaves = feats.requires_grad_(), instances.params.requires_grad_()
    draw = np.random.default_rng(0)
    height, width = (8 * side for side in _SIZE)
    objects, truths = [], []
    for _ in counts:
        bitmaps = np.zeros((_NUM_OBJECTS, height, width), np.uint8)
        for bitmap in bitmaps:
            y, x = draw.integers(0, height - 200), draw.integers(0, width - 200)
            bitmap[y : y + draw.integers(20, 200), x : x + draw.integers(20, 200)] = 1
        data = InstanceData(
            bboxes=torch.zeros(_NUM_OBJECTS, 4, device=device),
            labels=torch.zeros(_NUM_OBJECTS, dtype=torch.long, device=device),
            masks=BitmapMasks(bitmaps, height, width),
        )
        objects.append(data)
        truths.append(
            prepare_ground_truth(data, mask_size=(height // 4, width // 4), mask_stride=4)
        )

    def take_theirs() -> Tensor:
        torch.manual_seed(0)
        infos = _their_instances(instances, instances.params)
        loss = theirs.loss_by_feat(*theirs(feats, infos), objects, [], infos)["loss_mask"]
        torch.autograd.grad(loss, leaves)
        return loss.detach()

    def take_ours() -> Tensor:
        torch.manual_seed(0)
        chosen = [torch.randperm(n)[:cap] if n > cap else torch.arange(n) for n in counts]
        starts = [sum(counts[:i]) for i in range(len(counts))]
        inds = torch.cat([c + s for c, s in zip(chosen, starts, strict=True)]).to(device)
        sampled = Instances(
            params=instances.params[inds],
            points=instances.points[inds],
            strides=instances.strides[inds],
            counts=[len(c) for c in chosen],
            gt_inds=instances.gt_inds[inds] if instances.gt_inds is not None else None,
        )
        loss = mask_loss(ours, feats, sampled, truths, ours.loss_mask)
        torch.autograd.grad(loss, leaves)
        return loss.detach()

    return take_theirs, take_ours


def _compare_loss(context: Context, theirs: Any, ours: Any) -> Comparison:
    functions = _losses(theirs, ours, context.device, [300], cap=300)
    expected, actual = (function().item() for function in functions)
    return compare(
        "mask loss, forward and backward",
        *functions,
        rounds=context.rounds,
        device=context.device,
        note=f"300 instances, 100 x 152 locations; losses {expected:.7f} and {actual:.7f}",
        bar=2.0 if context.device == "cpu" else 5.0,
    )


def _compare_memory(context: Context, theirs: Any, ours: Any) -> Comparison:
    functions = _losses(theirs, ours, context.device, [500, 500], cap=300)
    expected, actual = (function().item() for function in functions)
    return compare_peaks(
        "mask head and loss, peak memory",
        *functions,
        device=context.device,
        note=f"2 images, 500 positives each, cap 300; losses {expected:.7f} and {actual:.7f}",
        bar=1 / 0.35 if context.device == "cpu" else 4.0,
    )
