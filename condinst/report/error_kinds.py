"""What the errors cost: the kinds of TIDE (Bolya et al., ECCV 2020, sections 2 and 3).

Every false positive is of one kind, by how it overlaps the objects; every object that is not found
is missed, unless an error of the first two kinds stands for it. The cost of a kind is the AP at
IoU 0.5 that would be gained if an oracle mended all errors of this kind and left the others. Costs
do not add up to what is missing from 1: mending one error makes others matter.

tidecv, the paper's own program, has not changed since 2020. The answers are the same but for
classes without any object, which it counts as an AP of 0, also where all objects of a class are
missed and its oracle takes them away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from condinst.evaluation.matches import Detections, Truth
from condinst.report.matching import FREE, MatchedImage, pair

__all__ = ["KINDS", "ErrorKinds", "average_precision", "find_error_kinds"]

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
_CLS, _LOC, _BOTH, _DUPE, _BACKGROUND = range(5)


@dataclass(frozen=True)
class ErrorKinds:
    """The costs, all of AP at one IoU, 0 to 1.

    Attributes:
        ap: as it is.
        counts: errors of each of KINDS.
        gains: AP that mending a kind alone would add.
        false_positives: the gain without any false positive.
        false_negatives: the gain if all objects that are not found were not there.
    """

    ap: float
    counts: dict[str, int]
    gains: dict[str, float]
    false_positives: float
    false_negatives: float


@dataclass
class _Ranked:
    """Detections that count, in the order of images; ``object_of`` is FREE or a place."""

    scores: np.ndarray
    categories: np.ndarray
    object_of: np.ndarray
    kind: np.ndarray  # place in KINDS, -1 for a right one
    target: np.ndarray  # object that a mended detection stands for, FREE for none


def find_error_kinds(
    images: Sequence[MatchedImage],
    truth: Truth,
    detections: Detections,
    *,
    iou_thr: float = 0.5,
    background_thr: float = 0.1,
) -> ErrorKinds:
    """Sort the errors into kinds and weigh them.

    Args:
        iou_thr: the least IoU of a right detection, the paper's t_f.
        background_thr: up to this IoU nothing was meant, the paper's t_b.
    """
    object_of = pair(images, truth, detections, iou_thr=iou_thr).object_of
    ranked = _rank(images, truth, detections, object_of, (background_thr, iou_thr))
    is_object = ~truth.crowds
    found = np.zeros(len(truth.images), bool)
    found[ranked.object_of[ranked.object_of >= 0]] = True
    claimed = np.zeros(len(truth.images), bool)
    claimed[ranked.target[ranked.target >= 0]] = True
    missed = is_object & ~found & ~claimed

    def ap(keep: np.ndarray, counted: np.ndarray, mended: np.ndarray | None = None) -> float:
        categories, correct = ranked.categories, ranked.object_of >= 0
        if mended is not None:
            categories, correct = categories.copy(), correct | mended
            categories[mended] = truth.categories[ranked.target[mended]]
        objects = np.bincount(truth.categories[counted], minlength=len(truth.category_ids))
        return _mean_ap(ranked.scores[keep], categories[keep], correct[keep], objects)

    everything = np.ones(len(ranked.scores), bool)
    base = ap(everything, is_object)
    stands_for = _one_for_each(ranked)
    gains, counts = {}, {}
    for index, name in enumerate(KINDS[:-1]):
        wrong = ranked.kind == index
        mended = wrong & stands_for
        counts[name] = int(wrong.sum())
        gains[name] = ap(~wrong | mended, is_object, mended) - base
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
        kind, target = _sort_out(image, truth, detections, object_of, thresholds)
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


def _sort_out(
    image: MatchedImage,
    truth: Truth,
    detections: Detections,
    object_of: np.ndarray,
    thresholds: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Kind and target of each of an image's D detections."""
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
    # a better outline comes first: with a threshold lower by a little it would have been right
    kind[(best_own >= low) & (best_own < high)] = _LOC
    kind[~wrong] = -1
    for which, overlaps in ((_CLS, other), (_LOC, own)):
        rows = kind == which
        target[rows] = image.objects[overlaps[rows].argmax(axis=1)]
    return kind, target


def _one_for_each(ranked: _Ranked) -> np.ndarray:
    """Of the errors with one target, the best scored; none where the object is found already."""
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
    """Mean over the classes that have an object; 0 where none has."""
    values = [
        average_precision(scores[categories == index], correct[categories == index], int(count))
        for index, count in enumerate(objects)
        if count
    ]
    return float(np.mean(values)) if values else 0.0


def average_precision(scores: np.ndarray, correct: np.ndarray, num_objects: int) -> float:
    """COCO's: the mean, over 101 recalls, of the best precision at that recall or above.

    Args:
        scores, correct: (D,) of one class, in the order of images; equal scores keep it.
        num_objects: at least 1.
    """
    if not len(scores):
        return 0.0
    right = np.cumsum(correct[np.argsort(-scores, kind="stable")])
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(right / num_objects, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[reached].mean())
