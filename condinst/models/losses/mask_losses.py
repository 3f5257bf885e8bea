"""Mask loss (paper, Equation 3), computed for a few instances at a time.

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

# Most elements of one float map of a chunk. On the CPU, 4 MiB in float32 keep the maps between
# logits and loss in the processor's cache; a GPU needs more instances at a time to be busy.
_CHUNK_ELEMENTS = {"cpu": 2**20, "cuda": 2**24}


def mask_loss(
    draw: Callable[[Tensor, Instances], Tensor],
    mask_feats: Tensor,
    instances: Instances,
    ground_truths: Sequence[GroundTruth],
    loss_mask: nn.Module,
) -> Tensor:
    """Average the mask loss over the instances of all processes.

    Args:
        draw: function from mask features and instances to (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N instances, with their objects' indices.
        ground_truths: one per image.
        loss_mask: loss between logits and targets, one value per instance.

    Returns:
        Scalar; zero and attached to the graph if there is no instance.

    Raises:
        ValueError: the objects of an image have no masks.
    """
    targets = MaskTargets(instances, ground_truths)

    def losses(logits: Tensor, part: slice) -> Tensor:
        masks = targets[part].to(logits.dtype)  # (n, H', W')
        return loss_mask(logits, masks, reduction_override="none").sum().unsqueeze(0)

    (total,) = sum_over_chunks(draw, mask_feats, instances, losses, cells=targets.cells)
    return total / mean_count(len(instances), total)


class MaskTargets:
    """The sampled mask of each instance's object, read for a range of instances at a time.

    Args:
        instances: the N instances, with their objects' indices.
        ground_truths: one per image.

    Raises:
        ValueError: the objects of an image have no masks.
    """

    def __init__(self, instances: Instances, ground_truths: Sequence[GroundTruth]) -> None:
        masks: list[Tensor] = []
        for i, gt in enumerate(ground_truths):
            if gt.mask_targets is None:
                raise ValueError(
                    f"image {i} of the batch has objects without masks, but training the mask "
                    "head needs them: check LoadAnnotations(with_mask=True) and the annotation "
                    "file's 'segmentation' entries"
                )
            masks.append(gt.mask_targets)
        assert instances.gt_inds is not None
        self._masks = torch.cat(masks)  # (objects of all images, H', W')
        # offsets: index of the first object of each image, (B,), then of each instance's, (N,)
        offsets = torch.tensor([0, *accumulate(len(x) for x in masks)][:-1])
        offsets = offsets.repeat_interleave(torch.tensor(instances.counts))
        self.inds = instances.gt_inds + offsets.to(instances.gt_inds.device, non_blocking=True)

    @property
    def cells(self) -> int:
        """The number of cells of one mask, H' * W'."""
        return self._masks.shape[1] * self._masks.shape[2]

    def __getitem__(self, part: slice) -> Tensor:
        """Return the (n, H', W') bool masks of a range of the instances."""
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
    """Sum losses over instances in memory that does not grow with their number.

    Logits, targets and gradients exist for one chunk of instances at a time. The gradients are
    computed in the forward pass.

    Args:
        draw: function from mask features and instances to (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N instances.
        losses: function from a chunk's logits (n, H', W') and its range among the instances to
            (num_losses,) sums.
        cells: number of cells of one map of logits, which sets the size of a chunk.
        num_losses: number of sums.

    Returns:
        ``num_losses`` scalars; zero and attached to the graph if there is no instance.
    """
    size = max(_CHUNK_ELEMENTS.get(mask_feats.device.type, 2**24) // max(cells, 1), 1)

    def chunk_losses(feats: Tensor, params: Tensor) -> Iterator[Tensor]:
        for part, chunk in replace(instances, params=params).chunks(size):
            yield losses(draw(feats, chunk), part)

    return _SumOverChunks.apply(mask_feats, instances.params, chunk_losses, num_losses)


class _SumOverChunks(torch.autograd.Function):
    """Sums of losses whose gradients are computed in the forward pass.

    Only the backward pass knows the factor by which a sum enters the total loss (for example a loss
    scaler's). It multiplies the stored gradients by that factor.
    """

    @staticmethod
    def forward(
        ctx, mask_feats: Tensor, params: Tensor, losses: Callable, num_losses: int
    ) -> tuple[Tensor, ...]:
        inputs = mask_feats, params
        ctx.dtypes = [x.dtype for x in inputs]
        # float32 from here on: gradients of many chunks added in half precision would round off
        dtype = torch.promote_types(mask_feats.dtype, torch.float32)
        wants_grad = any(ctx.needs_input_grad)
        # (B, C, H, W) and (N, K)
        leaves = [x.detach().to(dtype).requires_grad_(wants_grad) for x in inputs]
        grads = [[torch.zeros_like(x) for x in leaves] for _ in range(num_losses)]
        totals = leaves[0].new_zeros(num_losses)  # (num_losses,)
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
        # saved loss by loss, each time features, then parameters
        for i, dtype in enumerate(ctx.dtypes):
            grads = zip(ctx.saved_tensors[i::2], factors, strict=True)
            scaled = [grad * factor for grad, factor in grads]
            sums.append(sum(scaled[1:], scaled[0]).to(dtype))
        return *sums, None, None


def _add_grads(losses: Tensor, leaves: list[Tensor], grads: list[list[Tensor]]) -> None:
    """Add the gradients of each of a chunk's (num_losses,) losses to ``grads``."""
    # an ordinary backward pass runs outside autocast too
    with torch.autocast(losses.device.type, enabled=False):
        for i, sums in enumerate(grads):
            parts = torch.autograd.grad(losses[i], leaves, retain_graph=i + 1 < len(grads))
            for total, part in zip(sums, parts, strict=True):
                total += part
