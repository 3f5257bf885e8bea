"""Overlaps of annotated objects and detections image by image, and the score threshold.

Detections are drawn into a label map first, because the benchmarks of cells and nuclei compare
label maps: a pixel belongs to the detection with the highest score. Leaving out detections of low
scores changes no pixel of the others, so the overlaps are computed once for all thresholds.

Shapes: G objects, D detections with a visible pixel, T IoU thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from condinst.evaluation.label_matching import Matches, Overlaps, count_matches
from condinst.masks.crop import Crop
from condinst.masks.label_map import draw_label_map

__all__ = ["SCORE_THRS", "ScoredOverlaps", "best_score_thr", "compare", "count_all"]

# two digits, as a user types them; the lowest one keeps the time of the search small
SCORE_THRS = np.arange(5, 100) / 100


@dataclass(frozen=True)
class ScoredOverlaps:
    """The overlaps of one image with the scores of its detections.

    Attributes:
        overlaps: of G objects and D detections.
        scores: (D,) descending.
    """

    overlaps: Overlaps
    scores: NDArray[np.float64]

    def above(self, score_thr: float) -> Overlaps:
        """Return the overlaps of the detections with at least this score."""
        num = int(np.searchsorted(-self.scores, -score_thr, side="right"))
        whole = self.overlaps
        kept = whole.found < num
        return Overlaps(
            whole.num_objects, num, whole.objects[kept], whole.found[kept], whole.ious[kept]
        )


def compare(
    objects: Sequence[Crop],
    object_labels: NDArray,
    crowds: Sequence[Crop],
    masks: Sequence[Crop],
    labels: NDArray,
    scores: NDArray,
    image_size: tuple[int, int],
    *,
    min_visible: float = 0.0,
    least_iou: float = 0.5,
) -> ScoredOverlaps:
    """Compare the detections of an image with its objects.

    Objects may overlap; each one is compared whole. A detection and an object of different classes
    do not overlap. A detection is left out, neither right nor wrong, if at least half of its
    visible pixels lie in crowds and its IoU with every object is less than ``least_iou``.

    Args:
        objects, object_labels: masks and classes of the annotated objects that are not crowds.
        crowds: masks of the crowds.
        masks, labels, scores: of the detections, in any order.
        image_size: height and width of the image.
        min_visible: see :func:`condinst.masks.label_map.draw_label_map`.
        least_iou: the lowest IoU threshold of the evaluation.
    """
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    drawn = draw_label_map([masks[i] for i in order], image_size, min_visible)
    areas = np.bincount(drawn.ravel(), minlength=len(order) + 1)
    visible = np.flatnonzero(areas[1:])  # places in ``order``
    areas, order = areas[visible + 1], order[visible]
    index_of = np.full(drawn.max(initial=0) + 1, -1)  # of a pixel's value
    index_of[visible + 1] = np.arange(len(visible))
    pairs: list[tuple[int, int, float]] = []
    found_labels, object_labels = np.asarray(labels)[order], np.asarray(object_labels)
    for number, crop in enumerate(objects):
        values, shared = _values_inside(drawn, crop)
        found = index_of[values]
        same = found_labels[found] == object_labels[number]
        found, shared = found[same], shared[same]
        ious = shared / (np.count_nonzero(crop.mask) + areas[found] - shared)
        pairs += zip([number] * len(found), found.tolist(), ious.tolist(), strict=True)
    rows = np.array(pairs, float).reshape(-1, 3)
    overlaps = Overlaps(
        len(objects),
        len(order),
        rows[:, 0].astype(np.int64),
        rows[:, 1].astype(np.int64),
        rows[:, 2].astype(np.float32),
    )
    whole = ScoredOverlaps(overlaps, np.asarray(scores, float)[order])
    if not crowds:
        return whole
    in_crowd = np.zeros(image_size, bool)
    for crop in crowds:
        height, width = crop.mask.shape
        in_crowd[crop.y : crop.y + height, crop.x : crop.x + width] |= crop.mask
    inside = np.bincount(drawn[in_crowd], minlength=len(index_of))[visible + 1]
    best = np.zeros(len(order), np.float32)
    np.maximum.at(best, overlaps.found, overlaps.ious)
    return _without(whole, (inside >= areas / 2) & (best < np.float32(least_iou)))


def _values_inside(drawn: NDArray, crop: Crop) -> tuple[NDArray, NDArray]:
    """Return the numbers other than 0 under a mask, and how many pixels each has there."""
    height, width = crop.mask.shape
    under = drawn[crop.y : crop.y + height, crop.x : crop.x + width][crop.mask]
    return np.unique(under[under > 0], return_counts=True)


def _without(image: ScoredOverlaps, dropped: NDArray[np.bool_]) -> ScoredOverlaps:
    whole = image.overlaps
    place = np.cumsum(~dropped) - 1
    kept = ~dropped[whole.found]
    overlaps = Overlaps(
        whole.num_objects,
        int((~dropped).sum()),
        whole.objects[kept],
        place[whole.found[kept]],
        whole.ious[kept],
    )
    return ScoredOverlaps(overlaps, image.scores[~dropped])


def count_all(
    images: Sequence[ScoredOverlaps], iou_thrs: Sequence[float], score_thr: float
) -> list[Matches]:
    """Match objects and detections in every image at each IoU threshold."""
    return [count_matches(image.above(score_thr), iou_thrs) for image in images]


def best_score_thr(
    images: Sequence[ScoredOverlaps], iou_thrs: Sequence[float]
) -> tuple[float, float] | None:
    """Return the score threshold with the highest mean of TP / (TP + FP + FN), and that mean.

    The mean is over the IoU thresholds; all images are counted together. If it is highest over a
    range of :data:`SCORE_THRS`, the middle of the first range is returned. None if no detection is
    right.
    """
    values = []
    for score_thr in SCORE_THRS:
        parts = count_all(images, iou_thrs, float(score_thr))
        values.append(Matches.sum(parts, len(iou_thrs)).ap.mean())
    means = np.array(values)
    if means.max() <= 0:
        return None
    first = int(means.argmax())
    beyond = np.flatnonzero(means[first:] < means[first])
    last = first + int(beyond[0]) - 1 if len(beyond) else len(means) - 1
    place = (first + last) // 2
    return float(SCORE_THRS[place]), float(means[place])
