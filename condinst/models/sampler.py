"""The cap on instances whose masks are trained, applied before the mask head draws them.

Shapes: B images, P points of all levels, N positive points.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sample_positives(
    gt_inds: Tensor, quality: Tensor, *, max_masks: int, topk_masks: int
) -> tuple[Tensor, Tensor]:
    """Choose the positive points whose masks enter the loss.

    Args:
        gt_inds: (B, P) index of the object assigned to each point, -1 for background.
        quality: (B, P) ranks the points of an object, higher first.
        max_masks: most points of a picture, drawn at random; -1 for no such cap.
        topk_masks: most points of a picture, the best of each object in equal shares (one per
            object at least); applies where the random cap did not; -1 for no such cap.

    Returns:
        Image indices (N,), ascending, and point indices (N,).
    """
    img_inds, point_inds = [], []
    for i, image_gt_inds in enumerate(gt_inds):
        chosen = (image_gt_inds >= 0).nonzero().squeeze(1)
        if max_masks != -1 and len(chosen) > max_masks:
            # drawn on the CPU: the same seed chooses the same points on any device
            chosen = chosen[torch.randperm(len(chosen))[:max_masks].to(chosen.device)]
        elif topk_masks != -1 and len(chosen) > 0:
            chosen = chosen[_best_of_each(image_gt_inds[chosen], quality[i][chosen], topk_masks)]
        img_inds.append(torch.full_like(chosen, i))
        point_inds.append(chosen)
    return torch.cat(img_inds), torch.cat(point_inds)


def _best_of_each(groups: Tensor, quality: Tensor, total: int) -> Tensor:
    """Indices of the best ``total / number of groups`` members of each group, one at least."""
    order = quality.argsort(descending=True)
    order = order[groups[order].argsort(stable=True)]
    _, inverse, counts = groups.unique(return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(groups), device=groups.device) - starts[inverse[order]]
    return order[rank < max(total // len(counts), 1)]
