"""Non-maximum suppression."""

import numpy as np
import torch
import torchvision
from torch import Tensor

from .support import widen

__all__ = ["nms", "softnms"]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices (int64) of the kept boxes by descending score; ties keep their order.

    With ``offset`` 1 a box includes its last pixel: it is ``x2 - x1 + 1`` wide.
    """
    boxes = widen(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # mmcv compares in the boxes' precision: a float32 overlap of 0.6 does not exceed 0.6.
    threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Run soft-NMS on the CPU, and fill the first rows of ``dets`` with boxes and decayed scores.

    ``method``: 0 drops overlapping boxes, 1 decays their scores linearly, 2 by a gaussian of
    width ``sigma``. Boxes below ``min_score`` are dropped. Equal scores resolve as in mmcv.

    Returns:
        The kept boxes' indices (int64), in the order of ``dets``.
    """
    corners = widen(boxes).detach().numpy().T
    areas = (corners[2] - corners[0] + offset) * (corners[3] - corners[1] + offset)
    table = np.stack([*corners, scores.detach().to(widen(boxes).dtype).numpy(), areas])  # (6, N)
    inds = np.arange(table.shape[1])

    num_left, i = len(inds), 0
    while i < num_left:
        best = i + int(table[4, i:num_left].argmax())
        table[:, [i, best]] = table[:, [best, i]]
        inds[[i, best]] = inds[[best, i]]
        rest = slice(i + 1, num_left)

        ious = _ious(table[:, i], table[:, rest], offset)
        if method == 2:
            table[4, rest] *= np.exp(-(ious**2) / sigma)
        else:
            table[4, rest] *= np.where(ious >= iou_threshold, 1 - ious if method else 0, 1)

        order = i + 1 + _fill_holes_from_the_end(table[4, rest] >= min_score)
        num_left = i + 1 + len(order)
        table[:, i + 1 : num_left] = table[:, order]
        inds[i + 1 : num_left] = inds[order]
        i += 1

    dets[:num_left] = torch.from_numpy(table[:5, :num_left].T)
    return torch.from_numpy(inds[:num_left])


def _ious(box: np.ndarray, others: np.ndarray, offset: int) -> np.ndarray:
    """Return the IoUs (N,) of one box (6,) with many (6, N): x1, y1, x2, y2, score, area."""
    widths = np.minimum(box[2], others[2]) - np.maximum(box[0], others[0]) + offset
    heights = np.minimum(box[3], others[3]) - np.maximum(box[1], others[1]) + offset
    intersections = widths.clip(0) * heights.clip(0)
    unions = box[5] + others[5] - intersections
    return np.divide(intersections, unions, out=np.zeros_like(unions), where=unions > 0)


def _fill_holes_from_the_end(keep: np.ndarray) -> np.ndarray:
    """Return the order of the kept boxes after each dropped one is replaced by the last one.

    mmcv drops boxes like that; the order decides which of two equal scores comes first.
    """
    num_kept = int(keep.sum())
    order = np.arange(num_kept)
    order[~keep[:num_kept]] = num_kept + np.flatnonzero(keep[num_kept:])[::-1]
    return order
