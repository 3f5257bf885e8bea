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

from condinst.models.losses.detection_losses import mean_count
from condinst.models.structures import GroundTruth, Instances

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

    Args:
        draw: mask features and instances -> (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N instances, with their objects' indices.
        ground_truths: one per image.
        loss_mask: loss of logits and targets per instance.

    Returns:
        Scalar; zero and attached to the graph where there is no instance.

    Raises:
        ValueError: an image's objects have no masks.
    """
    targets = MaskTargets(instances, ground_truths)

    def losses(logits: Tensor, part: slice) -> Tensor:
        masks = targets[part].to(logits.dtype)
        return loss_mask(logits, masks, reduction_override="none").sum().unsqueeze(0)

    (total,) = sum_over_chunks(draw, mask_feats, instances, losses, cells=targets.cells)
    return total / mean_count(len(instances), total)


class MaskTargets:
    """The sampled mask of each instance's object, a few instances at a time.

    Args:
        instances: the N instances, with their objects' indices.
        ground_truths: one per image.

    Raises:
        ValueError: an image's objects have no masks.
    """

    def __init__(self, instances: Instances, ground_truths: Sequence[GroundTruth]) -> None:
        masks: list[Tensor] = []
        for i, gt in enumerate(ground_truths):
            if gt.masks is None:
                raise ValueError(
                    f"image {i} of the batch has objects without masks, but training the mask "
                    "head needs them: check LoadAnnotations(with_mask=True) and the annotation "
                    "file's 'segmentation' entries"
                )
            masks.append(gt.masks)
        assert instances.gt_inds is not None
        self._masks = torch.cat(masks)
        offsets = torch.tensor([0, *accumulate(len(x) for x in masks)][:-1])
        offsets = offsets.repeat_interleave(torch.tensor(instances.counts))
        self.inds = instances.gt_inds + offsets.to(instances.gt_inds.device, non_blocking=True)

    @property
    def cells(self) -> int:
        """Cells of one mask."""
        return self._masks.shape[1] * self._masks.shape[2]

    def __getitem__(self, part: slice) -> Tensor:
        """(n, H', W') bool of a range of the instances."""
        return self._masks[self.inds[part]]


def sum_over_chunks(
    draw: Callable[[Tensor, Instances], Tensor],
    mask_feats: Tensor,
    instances: Instances,
    losses: Callable[[Tensor, slice], Tensor],
    *,
    cells: int,
    num_losses: int = 1,
) -> tuple[Tensor, ...]:
    """Sums of losses over instances, whose memory does not grow with their number.

    Logits, targets and gradients exist for a chunk of instances at a time, and the gradients are
    taken in the forward pass.

    Args:
        draw: mask features and instances -> (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N instances.
        losses: logits of a chunk, and its range among the instances -> (num_losses,) sums.
        cells: of one map of logits, which decide how many instances a chunk has.
        num_losses: how many sums.

    Returns:
        Scalars; zero and attached to the graph where there is no instance.
    """
    size = max(_CHUNK_ELEMENTS.get(mask_feats.device.type, 2**24) // max(cells, 1), 1)

    def chunk_losses(feats: Tensor, params: Tensor) -> Iterator[Tensor]:
        for part, chunk in replace(instances, params=params).chunks(size):
            yield losses(draw(feats, chunk), part)

    return _SumOverChunks.apply(mask_feats, instances.params, chunk_losses, num_losses)


class _SumOverChunks(torch.autograd.Function):
    """Sums of losses whose gradients are taken as soon as each is known.

    A sum enters the total loss by a factor that only the backward pass knows (a loss scaler's,
    say); the gradients of the sum are multiplied by it then.
    """

    @staticmethod
    def forward(
        ctx, mask_feats: Tensor, params: Tensor, losses: Callable, num_losses: int
    ) -> tuple[Tensor, ...]:
        inputs = mask_feats, params
        ctx.dtypes = [x.dtype for x in inputs]
        # float32 from here on: the gradients of the chunks add up unrounded
        dtype = torch.promote_types(mask_feats.dtype, torch.float32)
        wants_grad = any(ctx.needs_input_grad)
        leaves = [x.detach().to(dtype).requires_grad_(wants_grad) for x in inputs]
        grads = [[torch.zeros_like(x) for x in leaves] for _ in range(num_losses)]
        totals = leaves[0].new_zeros(num_losses)
        with torch.set_grad_enabled(wants_grad):
            for chunk in losses(*leaves):
                totals += chunk.detach()
                if wants_grad:
                    _add_grads(chunk, leaves, grads)
        ctx.save_for_backward(*(grad for sums in grads for grad in sums))
        return totals.unbind()

    @staticmethod
    @once_differentiable
    def backward(ctx, *factors: Tensor) -> tuple[Tensor | None, ...]:
        sums = []
        for i, dtype in enumerate(ctx.dtypes):  # saved loss by loss: features, parameters
            grads = zip(ctx.saved_tensors[i::2], factors, strict=True)
            scaled = [grad * factor for grad, factor in grads]
            sums.append(sum(scaled[1:], scaled[0]).to(dtype))
        return *sums, None, None


def _add_grads(losses: Tensor, leaves: list[Tensor], grads: list[list[Tensor]]) -> None:
    """Add the gradients of each of the (k,) losses of a chunk."""
    # as in an ordinary backward pass, which runs outside of autocast
    with torch.autocast(losses.device.type, enabled=False):
        for i, sums in enumerate(grads):
            parts = torch.autograd.grad(losses[i], leaves, retain_graph=i + 1 < len(grads))
            for total, part in zip(sums, parts, strict=True):
                total += part
