"""Recall of boxes whatever their class: the metric ``proposal_fast``.

mmdet's own fails on numpy 1.24 and later, which refuses an array of arrays of several shapes.
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
    """For each of ``nums``, with so many best detections of an image, the mean over the
    thresholds of the share of objects that are found. Crowds are left out.

    Every object has one detection and the other way round; pairs are made by falling IoU.
    0 where there is no object.
    """
    best = np.concatenate(
        [np.empty((len(nums), 0)), *_by_image(truth, detections, nums)], axis=1
    )  # (len(nums), G)
    found = best[:, :, None] >= iou_thrs
    return [float(part.mean()) if part.size else 0.0 for part in found]


def _by_image(truth: Truth, detections: Detections, nums: Sequence[int]) -> list[np.ndarray]:
    parts = []
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
            parts.append(np.zeros((len(nums), len(boxes))))
            continue
        ious = coco_mask.iou(found, boxes, [0] * len(boxes))
        parts.append(np.stack([_best_ious(ious[:num].copy()) for num in nums]))
    return parts


def _best_ious(ious: np.ndarray) -> np.ndarray:
    """(G,) IoU of each object with its detection, 0 without one. ``ious`` (D, G) is used up."""
    best = np.zeros(ious.shape[1])
    for _ in range(min(ious.shape)):
        found, wanted = np.unravel_index(ious.argmax(), ious.shape)
        if ious[found, wanted] <= 0:
            break
        best[wanted] = ious[found, wanted]
        ious[found], ious[:, wanted] = 0, 0
    return best
