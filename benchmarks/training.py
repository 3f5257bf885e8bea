"""Benchmark of the training step, as a whole and by parts, and of its memory."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from benchmarks.measure import Comparison, compare, compare_peaks
from benchmarks.models import Context, build_pair
from benchmarks.pipeline import load_image, training_set
from condinst.models.speed import to_channels_last


def run(context: Context) -> list[Comparison]:
    """Measure forward, backward and optimizer step on batches of real images.

    Each implementation receives batches from its own pipeline: mmdet polygons, ours sampled masks.
    A batch has 2 images on a CPU and 16 on a GPU.
    """
    cpu = context.device == "cpu"
    size = 2 if cpu else 16
    theirs, ours = build_pair(context.device)
    their_batch, our_batch = (
        pseudo_collate([load_image(data, i) for i in range(size)])
        for data in (training_set(context.root, scope) for scope in ("mmdet", "condinst"))
    )
    note = f"{size} images; {_agreement(theirs, ours, their_batch, our_batch)}"
    step_theirs = partial(train_step, theirs, their_batch, context.device, make_optimizer(theirs))
    step_ours = partial(train_step, ours, our_batch, context.device, make_optimizer(ours))
    common: dict[str, Any] = dict(
        rounds=max(context.rounds // 3, 3), warmup=1, device=context.device
    )
    found = [
        compare(
            "training step, fp32, no switches",
            step_theirs,
            step_ours,
            note=note,
            bar=1.1 if cpu else 1.4,
            **common,
        ),
        compare_peaks(
            "training step, fp32, peak memory",
            step_theirs,
            step_ours,
            rounds=2,
            device=context.device,
            note=note,
        ),
        *_compare_parts(context, theirs, ours, their_batch, our_batch),
    ]
    fast = copy.deepcopy(ours)
    to_channels_last(fast)
    step_fast = partial(
        train_step, fast, our_batch, context.device, make_optimizer(fast), mixed=True
    )
    step_mixed = partial(
        train_step, theirs, their_batch, context.device, make_optimizer(theirs), mixed=True
    )
    found += [
        compare(
            "training step, recommended switches, against mmdet's fp32",
            step_theirs,
            step_fast,
            note=note + "; ours channels-last, bfloat16 autocast",
            bar=1.6 if cpu else 2.5,
            **common,
        ),
        compare(
            "training step, recommended switches, against mmdet under bf16 autocast",
            step_mixed,
            step_fast,
            note=note + "; both in mixed precision",
            **common,
        ),
    ]
    return found


def make_optimizer(model: Any) -> torch.optim.Optimizer:
    model.train()
    # a learning rate of 0 leaves the weights unchanged, and so the work of each step
    return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.0, momentum=0.9)


def losses_of(model: Any, batch: dict[str, Any]) -> dict[str, Tensor]:
    torch.manual_seed(0)  # chooses the masks that are trained
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    return model(**data, mode="loss")


def train_step(
    model: Any,
    batch: dict[str, Any],
    device: str,
    optimizer: torch.optim.Optimizer,
    mixed: bool = False,
) -> None:
    with torch.autocast(device, torch.bfloat16) if mixed else contextlib.nullcontext():
        losses = losses_of(model, batch)
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()


def _agreement(theirs: Any, ours: Any, their_batch: dict, our_batch: dict) -> str:
    with torch.no_grad():
        expected = losses_of(theirs.train(), their_batch)
        actual = losses_of(ours.train(), our_batch)
    worst = max(((actual[k] - expected[k]).abs() / expected[k].abs()).item() for k in expected)
    values = ", ".join(f"{k} {v.item():.4f}" for k, v in actual.items())
    return f"{values}; they differ by {worst:.1g}"


def _compare_parts(
    context: Context, theirs: Any, ours: Any, their_batch: dict, our_batch: dict
) -> list[Comparison]:
    """Compare targets and losses with their gradients, given the network's outputs."""
    data = theirs.data_preprocessor(copy.deepcopy(their_batch), True)
    our_samples = ours.data_preprocessor(copy.deepcopy(our_batch), True)["data_samples"]
    with torch.no_grad():
        feats = theirs.extract_feat(data["inputs"])
        their_dense, our_dense = theirs.bbox_head(feats), ours.bbox_head(feats)
        mask_feats = ours.mask_head.mask_feature_head(feats)
    maps = [x for dense in (their_dense, our_dense) for level in dense for x in level]
    leaves = [x.requires_grad_() for x in (*maps, mask_feats)]
    height, width = (2 * side for side in mask_feats.shape[-2:])

    class Given(nn.Module):
        """Replacement of mmdet's mask branch that returns given features."""

        def forward(self, feats: Any) -> Tensor:
            return mask_feats

    their_mask_head = copy.deepcopy(theirs.mask_head)
    their_mask_head.mask_feature_head = Given()
    samples = data["data_samples"]
    metas = [sample.metainfo for sample in samples]
    objects = [sample.gt_instances for sample in samples]

    def take_theirs() -> Tensor:
        torch.manual_seed(0)
        losses = theirs.bbox_head.loss_by_feat(*their_dense, objects, metas)
        infos = theirs.bbox_head.get_positive_infos()
        losses |= their_mask_head.loss_by_feat(
            *their_mask_head(feats, infos), objects, metas, positive_infos=infos
        )
        return _backward(losses)

    def take_ours() -> Tensor:
        torch.manual_seed(0)
        return _backward(ours.loss_of(our_dense, mask_feats, our_samples))

    def _backward(losses: dict[str, Tensor]) -> Tensor:
        total = sum(losses.values())
        assert isinstance(total, Tensor)
        torch.autograd.grad(total, leaves, allow_unused=True)
        return total.detach()

    expected, actual = take_theirs().item(), take_ours().item()
    functions: tuple[Callable, Callable] = (take_theirs, take_ours)
    return [
        compare(
            "training step: targets and losses, forward and backward",
            *functions,
            rounds=max(context.rounds // 2, 3),
            device=context.device,
            note="given the network's outputs, mmdet its parameters too, which ours predicts "
            f"here; sums {expected:.5f} and {actual:.5f}; logits of {height} x {width}",
        )
    ]
