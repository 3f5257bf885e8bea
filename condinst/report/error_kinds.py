"""Measure what the errors cost, by the kinds of TIDE (Bolya et al., ECCV 2020, sections 2 and 3).

Each false positive is of one kind, by its overlaps with the objects. An object that is not found is
missed, unless an error of the first two kinds accounts for it. The cost of a kind is the AP at IoU
0.5 that would be gained if an oracle fixed all errors of this kind and left the others. AP and
costs do not add up to 1, because fixing one error changes the cost of others.

tidecv, the paper's program, gives the same numbers with one exception: it counts a class without
objects as an AP of 0, also if all its objects are missed and the oracle removes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from condinst.evaluation.matches import Detections, Truth
from condinst.report.matching import FREE, MatchedImage, pair

__all__ = ["KINDS", "ErrorKinds", "average_precision", "find_error_kinds"]

KINDS = ("classification", "localization", "both", "duplicate", "background", "missed")
_CLS, _LOC, _BOTH, _DUPE, _BACKGROUND = range(5)


@dataclass(frozen=True)
class ErrorKinds:
    """The costs of the errors as AP at one IoU, from 0 to 1.

    Attributes:
        ap: the AP with all errors.
        counts: number of errors of each of KINDS.
        gains: AP that fixing a kind alone would add.
        false_positives: AP that removing all false positives would add.
        false_negatives: AP that removing all objects that are not found would add.
    """

    ap: float
    counts: dict[str, int]
    gains: dict[str, float]
    false_positives: float
    false_negatives: float


@dataclass
class _Ranked:
    """The D counted detections, in the order of the images."""

    scores: np.ndarray  # (D,)
    categories: np.ndarray  # (D,)
    object_of: np.ndarray  # (D,) place of the object; FREE for none
    kind: np.ndarray  # (D,) index into KINDS; -1 for a right detection
    target: np.ndarray  # (D,) place of the object that a fixed detection gets; FREE for none


def find_error_kinds(
    images: Sequence[MatchedImage],
    truth: Truth,
    detections: Detections,
    *,
    iou_thr: float = 0.5,
    background_thr: float = 0.1,
) -> ErrorKinds:
    """Classify the errors by kind and compute their costs.

    Args:
        images: the overlaps, from :func:`condinst.report.matching.compare_images`.
        truth: the objects.
        detections: the detections.
        iou_thr: the least IoU of a right detection, the paper's t_f.
        background_thr: the largest IoU of a detection of background, the paper's t_b.
    """
    object_of = pair(images, truth, detections, iou_thr=iou_thr).object_of
    ranked = _rank(images, truth, detections, object_of, (background_thr, iou_thr))
    is_object = ~truth.crowds
    found = np.zeros(len(truth.images), bool)
    found[ranked.object_of[ranked.object_of >= 0]] = True
    claimed = np.zeros(len(truth.images), bool)
    claimed[ranked.target[ranked.target >= 0]] = True
    missed = is_object & ~found & ~claimed

    def ap(keep: np.ndarray, counted: np.ndarray, fixed: np.ndarray | None = None) -> float:
        categories, correct = ranked.categories, ranked.object_of >= 0
        if fixed is not None:
            categories, correct = categories.copy(), correct | fixed
            categories[fixed] = truth.categories[ranked.target[fixed]]
        objects = np.bincount(truth.categories[counted], minlength=len(truth.category_ids))
        return _mean_ap(ranked.scores[keep], categories[keep], correct[keep], objects)

    everything = np.ones(len(ranked.scores), bool)
    base = ap(everything, is_object)
    stands_for = _one_for_each(ranked)
    gains, counts = {}, {}
    for index, name in enumerate(KINDS[:-1]):
        wrong = ranked.kind == index
        fixed = wrong & stands_for
        counts[name] = int(wrong.sum())
        gains[name] = ap(~wrong | fixed, is_object, fixed) - base
    counts["missed"] = int(missed.sum())
    gains["missed"] = ap(everything, is_object & ~missed) - base
    return ErrorKinds(
        ap=base,
        counts=counts,
        gains={name: max(gain, 0.0) for name, gain in gains.items()},
        false_positives=ap(ranked.kind < 0, is_object) - base,
        false_negatives=ap(everything, is_object & found) - base,
    )


def _rank(
    images: Sequence[MatchedImage],
    truth: Truth,
    detections: Detections,
    object_of: np.ndarray,
    thresholds: tuple[float, float],
) -> _Ranked:
    kinds, targets, places = [], [], []
    for image in images:
        counts = object_of[image.found] >= FREE
        kind, target = _classify(image, truth, detections, object_of, thresholds)
        places.append(image.found[counts])
        kinds.append(kind[counts])
        targets.append(target[counts])
    place = np.concatenate([np.zeros(0, int), *places])
    return _Ranked(
        scores=detections.scores[place],
        categories=detections.categories[place],
        object_of=object_of[place],
        kind=np.concatenate([np.zeros(0, int), *kinds]),
        target=np.concatenate([np.zeros(0, int), *targets]),
    )


def _classify(
    image: MatchedImage,
    truth: Truth,
    detections: Detections,
    object_of: np.ndarray,
    thresholds: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return (D,) kinds and (D,) targets of the detections of an image."""
    low, high = thresholds
    wrong = object_of[image.found] == FREE
    target = np.full(len(wrong), FREE)
    if not image.ious.size:
        return np.where(wrong, _BACKGROUND, -1), target
    same = detections.categories[image.found][:, None] == truth.categories[image.objects]
    own, other = np.where(same, image.ious, 0), np.where(same, 0, image.ious)
    best_own, best_other = own.max(axis=1), other.max(axis=1)
    kind = np.full(len(wrong), _BOTH)
    kind[image.ious.max(axis=1) <= low] = _BACKGROUND
    kind[best_own >= high] = _DUPE
    kind[best_other >= high] = _CLS
    # localization takes precedence: with a slightly lower threshold the detection were right
    kind[(best_own >= low) & (best_own < high)] = _LOC
    kind[~wrong] = -1
    for which, overlaps in ((_CLS, other), (_LOC, own)):
        rows = kind == which
        target[rows] = image.objects[overlaps[rows].argmax(axis=1)]
    return kind, target


def _one_for_each(ranked: _Ranked) -> np.ndarray:
    """Return (D,) bool: the best scored error of each target that is not found otherwise."""
    taken = set(ranked.object_of[ranked.object_of >= 0].tolist())
    stands_for = np.zeros(len(ranked.scores), bool)
    candidates = np.flatnonzero(ranked.target >= 0)
    for row in candidates[np.argsort(-ranked.scores[candidates], kind="stable")]:
        target = int(ranked.target[row])
        if target not in taken:
            taken.add(target)
            stands_for[row] = True
    return stands_for


def _mean_ap(
    scores: np.ndarray, categories: np.ndarray, correct: np.ndarray, objects: np.ndarray
) -> float:
    """Return the mean AP of the classes with objects; 0 if there are none."""
    values = [
        average_precision(scores[categories == index], correct[categories == index], int(count))
        for index, count in enumerate(objects)
        if count
    ]
    return float(np.mean(values)) if values else 0.0


def average_precision(scores: np.ndarray, correct: np.ndarray, num_objects: int) -> float:
    """Return COCO's AP: the mean over 101 recalls of the best precision at this recall or above.

    Args:
        scores, correct: (D,) of one class, in the order of the images, which breaks ties.
        num_objects: number of objects, at least 1.
    """
    if not len(scores):
        return 0.0
    right = np.cumsum(correct[np.argsort(-scores, kind="stable")])
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(right / num_objects, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[reached].mean())
