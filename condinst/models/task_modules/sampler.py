"""Sampling of the positive points whose masks are trained.

Shapes: N positive points of all images.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor


def sample_positives(
    gt_inds: Tensor,
    counts: Sequence[int],
    *,
    quality: Tensor | None = None,
    max_masks: int,
    topk_masks: int,
) -> tuple[Tensor, list[int]]:
    """Choose the positive points whose masks enter the loss.

    Args:
        gt_inds: (N,) index of the object assigned to each positive point, ordered by image.
        counts: positive points of each image; they sum to N.
        quality: (N,) rank of the points within an object, higher is better; needed with
            ``topk_masks``.
        max_masks: most points of an image, drawn at random; -1 for no limit.
        topk_masks: most points of an image, the best of each object in equal numbers (at least one
            per object); applies where the random limit did not; -1 for no limit.

    Returns:
        Indices (n,) of the chosen points among the N, ordered by image; and how many are of each
        image.
    """
    chosen = []
    starts = [0, *accumulate(counts)]
    for start, count in zip(starts, counts, strict=False):
        if max_masks != -1 and count > max_masks:
            # drawn on the CPU: the same seed chooses the same points on any device
            inds = torch.randperm(count)[:max_masks].to(gt_inds.device, non_blocking=True)
        elif topk_masks != -1 and count > 0:
            assert quality is not None
            part = slice(start, start + count)
            inds = _best_of_each(gt_inds[part], quality[part], topk_masks)
        else:
            inds = torch.arange(count, device=gt_inds.device)
        chosen.append(inds + start)
    return torch.cat(chosen), [len(inds) for inds in chosen]


def _best_of_each(groups: Tensor, quality: Tensor, total: int) -> Tensor:
    """Return indices of the best ``total / number of groups`` members of each group, at least 1."""
    # sort by group, and by falling quality within a group
    order = quality.argsort(descending=True)  # (number of points,)
    order = order[groups[order].argsort(stable=True)]
    _, inverse, counts = groups.unique(return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts  # (groups,), first place of each group in the order
    rank = torch.arange(len(groups), device=groups.device) - starts[inverse[order]]
    return order[rank < max(total // len(counts), 1)]
