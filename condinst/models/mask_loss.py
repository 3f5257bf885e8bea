"""Instances + targets -> mask loss (paper, Equation 3), a few instances at a time.

Shapes: B images, N instances, K parameters, C mask feature channels, H' x W' cells of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from condinst.structures import GroundTruth, Instances

from .losses import mean_count

# Most elements of one float map of a chunk. On the CPU, 4 MiB in float32, so that the maps between
# logits and loss stay in the processor's cache; a GPU needs more instances at a time to be busy.
_CHUNK_ELEMENTS = {"cpu": 2**20, "cuda": 2**24}


def mask_loss(
    draw: Callable[[Tensor, Instances], Tensor],
    mask_feats: Tensor,
    instances: Instances,
    ground_truths: Sequence[GroundTruth],
    loss_mask: nn.Module,
) -> Tensor:
    """Mean mask loss over the instances of all processes.

    Memory does not grow with the number of instances: their logits, targets and gradients exist for
    a chunk of them at a time, and the gradient is taken in the forward pass.

    Args:
        draw: mask features and instances -> (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N instances, with their objects' indices.
        ground_truths: one per image.
        loss_mask: loss of logits and targets per instance.

    Returns:
        Scalar; zero and attached to the graph where there is no instance.

    Raises:
        ValueError: a picture's objects have no masks.
    """
    masks: list[Tensor] = []
    for i, gt in enumerate(ground_truths):
        if gt.masks is None:
            raise ValueError(
                f"picture {i} of the batch has objects without masks, but training the mask head "
                "needs them: check LoadAnnotations(with_mask=True) and the annotation file's "
                "'segmentation' entries"
            )
        masks.append(gt.masks)
    assert instances.gt_inds is not None
    targets = torch.cat(masks)
    offsets = torch.tensor([0, *accumulate(len(x) for x in masks)][:-1])
    offsets = offsets.repeat_interleave(torch.tensor(instances.counts))
    target_inds = instances.gt_inds + offsets.to(instances.gt_inds.device, non_blocking=True)
    elements = _CHUNK_ELEMENTS.get(mask_feats.device.type, 2**24)
    size = max(elements // max(targets.shape[1] * targets.shape[2], 1), 1)

    def chunk_losses(feats: Tensor, params: Tensor) -> Iterator[Tensor]:
        for part, chunk in replace(instances, params=params).chunks(size):
            logits = draw(feats, chunk)
            chunk_targets = targets[target_inds[part]].to(logits.dtype)
            yield loss_mask(logits, chunk_targets, reduction_override="none").sum()

    total = _SumOverChunks.apply(mask_feats, instances.params, chunk_losses)
    return total / mean_count(len(instances), total)


class _SumOverChunks(torch.autograd.Function):
    """Sum of losses whose gradient is taken as soon as each is known.

    The sum enters the total loss by a factor that only the backward pass knows (a loss scaler's,
    say); the gradients of a sum are multiplied by it then.
    """

    @staticmethod
    def forward(ctx, mask_feats: Tensor, params: Tensor, losses: Callable) -> Tensor:
        inputs = mask_feats, params
        ctx.dtypes = [x.dtype for x in inputs]
        # float32 from here on: the gradients of the chunks add up unrounded
        dtype = torch.promote_types(mask_feats.dtype, torch.float32)
        wants_grad = any(ctx.needs_input_grad)
        leaves = [x.detach().to(dtype).requires_grad_(wants_grad) for x in inputs]
        grads = [torch.zeros_like(x) for x in leaves]
        total = leaves[0].new_zeros(())
        with torch.set_grad_enabled(wants_grad):
            for loss in losses(*leaves):
                total += loss.detach()
                if wants_grad:
                    # as in an ordinary backward pass, which runs outside of autocast
                    with torch.autocast(loss.device.type, enabled=False):
                        parts = torch.autograd.grad(loss, leaves)
                    for grad, part in zip(grads, parts, strict=True):
                        grad += part
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        grads = [
            (grad * grad_total).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return *grads, None
