"""Compute the class-agnostic recall of boxes: the metric ``proposal_fast``.

mmdet's version fails on numpy 1.24 and later, which refuses arrays of arrays of different shapes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from condinst.evaluation.matches import Detections, Truth

__all__ = ["average_recalls"]


def average_recalls(
    truth: Truth, detections: Detections, nums: Sequence[int], iou_thrs: np.ndarray
) -> list[float]:
    """Return the mean recall over the IoU thresholds, for each number of detections per image.

    Each object gets at most one detection and each detection at most one object, in descending
    order of their IoU. Crowds are left out.

    Args:
        truth: the objects.
        detections: the detections.
        nums: numbers of best detections per image to count.
        iou_thrs: (T,) IoU thresholds.

    Returns:
        One recall for each of ``nums``, from 0 to 1; 0 if there are no objects.
    """
    best = np.concatenate(
        [np.empty((len(nums), 0)), *_by_image(truth, detections, nums)], axis=1
    )  # (len(nums), G)
    found = best[:, :, None] >= iou_thrs  # (len(nums), G, T)
    return [float(row.mean()) if row.size else 0.0 for row in found]


def _by_image(truth: Truth, detections: Detections, nums: Sequence[int]) -> list[np.ndarray]:
    """Return (len(nums), G of the image) best IoUs for each image with objects."""
    rows = []
    by_score = np.argsort(-detections.scores, kind="stable")
    order = by_score[np.argsort(detections.images[by_score], kind="stable")]
    images = np.arange(len(truth.image_ids))
    starts, ends = (
        np.searchsorted(detections.images[order], images, side) for side in ("left", "right")
    )
    objects = np.flatnonzero(~truth.crowds)
    for image in np.unique(truth.images[objects]):
        boxes = truth.boxes[objects[truth.images[objects] == image]]
        found = detections.boxes[order[starts[image] : ends[image]]]
        if not len(found):
            rows.append(np.zeros((len(nums), len(boxes))))
            continue
        ious = coco_mask.iou(found, boxes, [0] * len(boxes))  # (D, G)
        rows.append(np.stack([_best_ious(ious[:num].copy()) for num in nums]))
    return rows


def _best_ious(ious: np.ndarray) -> np.ndarray:
    """Return the (G,) IoU of each object with its detection, 0 without; overwrites ``ious``."""
    best = np.zeros(ious.shape[1])
    for _ in range(min(ious.shape)):
        found, wanted = np.unravel_index(ious.argmax(), ious.shape)
        if ious[found, wanted] <= 0:
            break
        best[wanted] = ious[found, wanted]
        ious[found], ious[:, wanted] = 0, 0
    return best
