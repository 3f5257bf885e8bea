"""Match objects and detections one to one, as benchmarks of cells and nuclei do.

At an IoU threshold, an object and a detection may be matched if their IoU is at least the
threshold; no object and no detection is matched twice. Of all matchings, one with the most matches
is taken, and among these one with the largest sum of IoUs. This is the ``matching`` of StarDist
(Schmidt et al., MICCAI 2018). TP / (TP + FP + FN), which the field calls average precision, is
``ap`` here; COCO's AP is something else.

Only pairs that share a pixel are kept, so memory grows with the pixels and not with the product of
the numbers of objects and detections.

Shapes: G objects, D detections, P pairs that overlap, T IoU thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Matches", "Overlaps", "count_matches", "label_overlaps", "match_label_maps"]


@dataclass(frozen=True)
class Overlaps:
    """The overlaps of the objects and the detections of one image.

    Attributes:
        num_objects, num_found: G and D.
        objects, found: (P,) indices of the two sides of each pair.
        ious: (P,) float32, as StarDist's, greater than 0.
    """

    num_objects: int
    num_found: int
    objects: NDArray[np.int64]
    found: NDArray[np.int64]
    ious: NDArray[np.float32]


@dataclass(frozen=True)
class Matches:
    """The numbers of matches at T IoU thresholds, of one image or of several together.

    Without a match, every ratio is 0, also in an image with neither objects nor detections: so
    StarDist counts.

    Attributes:
        tp, fp, fn: (T,) matched pairs, detections without an object, objects without a detection.
        iou_sum: (T,) sum of the IoUs of the matched pairs.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    iou_sum: NDArray[np.float64]

    @property
    def ap(self) -> NDArray[np.float64]:
        """TP / (TP + FP + FN), also called accuracy, Jaccard index or threat score."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def pq(self) -> NDArray[np.float64]:
        """The panoptic quality (Kirillov et al., CVPR 2019, Equation 1)."""
        return _ratio(self.iou_sum, self.tp + self.fp / 2 + self.fn / 2)

    @staticmethod
    def sum(parts: Sequence[Matches], num_thresholds: int) -> Matches:
        """Add the numbers of several images."""
        zeros = np.zeros(num_thresholds, np.int64)
        return Matches(
            sum((part.tp for part in parts), zeros),
            sum((part.fp for part in parts), zeros),
            sum((part.fn for part in parts), zeros),
            sum((part.iou_sum for part in parts), zeros.astype(float)),
        )

    @staticmethod
    def mean_ap(parts: Sequence[Matches], num_thresholds: int) -> NDArray[np.float64]:
        """Return the mean of ``ap`` over images, (T,); 0 without an image."""
        by_image = np.array([part.ap for part in parts]).reshape(-1, num_thresholds)
        return by_image.mean(axis=0) if len(parts) else np.zeros(num_thresholds)


def _ratio(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def match_label_maps(truth: NDArray, found: NDArray, iou_thrs: Sequence[float]) -> Matches:
    """Match the objects and the detections of two label maps.

    Args:
        truth, found: arrays of integers of one shape; 0 is background, and pixels of equal numbers
            are one object. Numbers may be missing.
        iou_thrs: T thresholds, greater than 0.

    Raises:
        ValueError: the arrays are not label maps of one shape.
    """
    return count_matches(label_overlaps(truth, found), iou_thrs)


def label_overlaps(truth: NDArray, found: NDArray) -> Overlaps:
    """Compute the overlaps of two label maps.

    Objects and detections are numbered from 0 by ascending label. Arguments and errors are those
    of :func:`match_label_maps`.
    """
    if truth.shape != found.shape:
        raise ValueError(f"label maps: expected equal shapes, got {truth.shape} and {found.shape}")
    sides = [_numbered(labels) for labels in (truth, found)]
    (objects, object_areas), (detections, found_areas) = sides
    both = (objects >= 0) & (detections >= 0)
    width = max(1, len(found_areas))
    pairs, shared = np.unique(objects[both] * width + detections[both], return_counts=True)
    first, second = pairs // width, pairs % width
    union = object_areas[first] + found_areas[second] - shared
    ious = (shared / union).astype(np.float32)
    return Overlaps(len(object_areas), len(found_areas), first, second, ious)


def _numbered(labels: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index of each pixel's object, -1 for background, and the objects' areas."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"label map: expected an array of integers, got {labels.dtype}")
    values, places, areas = np.unique(labels.ravel(), return_inverse=True, return_counts=True)
    if len(values) and values[0] < 0:
        raise ValueError(f"label map: expected no negative numbers, got {values[0]}")
    has_background = len(values) > 0 and values[0] == 0
    start = 1 if has_background else 0
    return places.reshape(-1).astype(np.int64) - start, areas[start:].astype(np.int64)


def count_matches(overlaps: Overlaps, iou_thrs: Sequence[float]) -> Matches:
    """Match the objects and detections of an image at each of T IoU thresholds."""
    tp: list[int] = []
    iou_sum: list[float] = []
    for threshold in iou_thrs:
        matched = _match(overlaps, threshold)
        tp.append(len(matched))
        iou_sum.append(float(matched.sum(dtype=np.float64)))
    right = np.array(tp, np.int64)
    return Matches(
        right, overlaps.num_found - right, overlaps.num_objects - right, np.array(iou_sum, float)
    )


def _match(overlaps: Overlaps, threshold: float) -> NDArray[np.float32]:
    """Return the IoUs of the matched pairs."""
    # compared as float32, as StarDist does: an IoU of 11 / 20 reaches a threshold of 0.55
    good = overlaps.ious >= np.float32(threshold)
    objects, found = overlaps.objects[good], overlaps.found[good]
    if len(np.unique(objects)) == len(objects) and len(np.unique(found)) == len(found):
        return overlaps.ious[good]  # no choice: always so above 0.5 without overlapping objects
    return np.concatenate([*_assign(overlaps, good), np.empty(0, np.float32)])


def _assign(overlaps: Overlaps, good: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    """Choose among pairs that share a side, in each group of objects that touch the same ones."""
    num_objects, num_found = overlaps.num_objects, overlaps.num_found
    num = num_objects + num_found
    links = coo_array(
        (np.ones(len(good), bool), (overlaps.objects, num_objects + overlaps.found)), (num, num)
    )
    group_of = connected_components(links, directed=False)[1][overlaps.objects]
    order = np.argsort(group_of, kind="stable")
    matched = []
    for pairs in np.split(order, np.flatnonzero(np.diff(group_of[order])) + 1):
        if not good[pairs].any():
            continue
        rows, row = np.unique(overlaps.objects[pairs], return_inverse=True)
        columns, column = np.unique(overlaps.found[pairs], return_inverse=True)
        ious = np.zeros((len(rows), len(columns)), np.float32)
        ious[row, column] = overlaps.ious[pairs]
        is_good = np.zeros(ious.shape, bool)
        is_good[row, column] = good[pairs]
        # IoUs only decide between matchings of equal size: together they weigh less than a match
        weights = is_good + ious.astype(float) / (2 * min(num_objects, num_found))
        chosen = linear_sum_assignment(weights, maximize=True)
        matched.append(ious[chosen][is_good[chosen]])
    return matched
