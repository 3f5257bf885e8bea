"""Lower the scores of detections whose masks are unsure, without weights for it."""

from __future__ import annotations

import torch
from mmengine.structures import InstanceData
from torch import Tensor

__all__ = ["MASK_QUALITIES", "check_mask_quality", "mask_quality", "rescore"]

MASK_QUALITIES = ("none", "maskness")


def check_mask_quality(kind: str) -> str:
    """Return the setting if it is one.

    Raises:
        ValueError: it has another value.
    """
    if kind not in MASK_QUALITIES:
        raise ValueError(
            f"model.test_cfg.mask_quality={kind!r}: expected one of {', '.join(MASK_QUALITIES)}"
        )
    return kind


def mask_quality(mask_logits: Tensor, mask_thr: float) -> Tensor:
    """Return the mean score of each mask's own cells (SOLO, Wang et al., 2020: maskness).

    Args:
        mask_logits: (N, H', W').
        mask_thr: a cell belongs to the mask if its score, from 0 to 1, exceeds this.

    Returns:
        (N,) from ``mask_thr`` to 1; 0 for a mask without cells.
    """
    scores = mask_logits.float().sigmoid()
    own = scores > mask_thr
    total = torch.where(own, scores, 0).sum(dim=(1, 2))
    return total / own.sum(dim=(1, 2)).clamp(min=1)


def rescore(
    found: InstanceData, mask_logits: Tensor, mask_thr: float
) -> tuple[InstanceData, Tensor]:
    """Multiply scores by the quality of the masks.

    Args:
        found: N detections.
        mask_logits: (N, H', W').
        mask_thr: see :func:`mask_quality`.

    Returns:
        The detections by falling new score, equal ones in the old order, and their logits.
    """
    scores = found.scores * mask_quality(mask_logits, mask_thr)
    scores, order = scores.sort(descending=True, stable=True)
    found = found[order]
    found.scores = scores
    return found, mask_logits[order]
