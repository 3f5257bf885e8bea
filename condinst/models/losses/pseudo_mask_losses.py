"""Losses of masks that a teacher predicts (BoxTeacher, Section 3.4).

Shapes: N instances, E neighbors of a cell, H' x W' cells of the mask logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condinst.models.losses.detection_losses import mean_count
from condinst.models.losses.mask_losses import MaskTargets, sum_over_chunks
from condinst.models.losses.pairwise_loss import pairwise_loss
from condinst.models.structures import GroundTruth, Instances

__all__ = ["agreeing_neighbors", "pseudo_mask_losses"]

MASK_THR = 0.5  # a cell is foreground if its probability exceeds this
AFFINITY_THR = 0.5  # two cells belong together if their affinity exceeds this


def pseudo_mask_losses(
    draw: Callable[[Tensor, Instances], Tensor],
    mask_feats: Tensor,
    instances: Instances,
    ground_truths: Sequence[GroundTruth],
    loss_mask: nn.Module,
    offsets: Sequence[tuple[int, int]],
) -> tuple[Tensor, Tensor]:
    """Compute the noise-aware pixel loss and the noise-reduced affinity loss.

    Both are sums over the instances, each times the confidence in its object's pseudo mask, divided
    by the number of instances that have such a mask, in all processes.

    Args:
        draw: function from mask features and instances to (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N instances, with their objects' indices.
        ground_truths: one per image, all with pseudo masks and filled boxes.
        loss_mask: loss between logits and masks, one value per instance; the Dice loss.
        offsets: E pairs of rows and columns from a cell to each neighbor.

    Returns:
        The pixel loss, and the affinity loss: of each instance the mean of -log P(both ends of an
        edge are mask, or both are background) over the edges that start in the box. The edges are
        those of :func:`agreeing_neighbors`. Both are zero and attached to the graph if no instance
        has a pseudo mask.
    """
    assert instances.gt_inds is not None
    inds = instances.gt_inds.split(instances.counts)
    found = [gt.pseudo_scores for gt in ground_truths if gt.pseudo_scores is not None]
    scores = torch.cat([of[part] for of, part in zip(found, inds, strict=True)])  # (N,)
    taught = scores > 0  # (N,)
    instances, scores = instances.select(taught.cpu()), scores[taught]
    boxes = MaskTargets(instances, ground_truths)
    pseudo = MaskTargets(
        instances, [replace(gt, mask_targets=gt.pseudo_masks) for gt in ground_truths]
    )

    def sums(logits: Tensor, part: slice) -> Tensor:
        masks, weights = pseudo[part], scores[part]  # (n, H', W') probabilities, (n,)
        pixel = loss_mask(logits, (masks > MASK_THR).to(logits.dtype), reduction_override="none")
        edges = agreeing_neighbors(masks, offsets) & boxes[part][:, None]  # (n, E, H', W')
        num_edges = edges.flatten(1).sum(dim=1).clamp(min=1)  # (n,)
        affinity = pairwise_loss(logits, edges, offsets, weights / num_edges)
        return torch.stack([(pixel * weights).sum(), affinity])

    sums_of_both = sum_over_chunks(
        draw, mask_feats, instances, sums, cells=boxes.cells, num_losses=2
    )
    count = mean_count(len(instances), mask_feats)
    pixel, affinity = (total / count for total in sums_of_both)
    return pixel, affinity


def agreeing_neighbors(masks: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:
    """Tell which neighbors a mask puts on the same side, after it is smoothed against noise.

    The smoothed probability of a cell is the mean of its own and of the mean of its neighbors',
    which are 0 beyond the map. The affinity of cells with p and q is p q + (1 - p) (1 - q).

    Args:
        masks: (n, H', W') probabilities of the foreground.
        offsets: E pairs of rows and columns from a cell to each neighbor.

    Returns:
        (n, E, H', W') bool, whether the affinity of a cell and its e-th neighbor exceeds 0.5.
    """
    smooth = (masks + _neighbors(masks, offsets).mean(dim=1)) / 2  # (n, H', W')
    here, there = smooth[:, None], _neighbors(smooth, offsets)
    return here * there + (1 - here) * (1 - there) > AFFINITY_THR


def _neighbors(maps: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:
    """Return the (n, E, H', W') values of each cell's neighbors, 0 beyond the map."""
    reach = max(max(abs(dy), abs(dx)) for dy, dx in offsets)
    padded = F.pad(maps, [reach] * 4)
    height, width = maps.shape[-2:]
    shifted = [
        padded[:, reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        for dy, dx in offsets
    ]
    return torch.stack(shifted, dim=1)
