"""The score from which on predictions are worth keeping: where F1 is highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["THRESHOLDS", "ScoreCurve", "best_threshold", "score_curve"]

# Three digits are what a user types.
THRESHOLDS = np.arange(1001) / 1000


@dataclass(frozen=True)
class ScoreCurve:
    """At every one of THRESHOLDS, with the detections whose score is not below it.

    Attributes:
        precision: share of the detections that are right; nan where there is none.
        recall: share of the objects that are found; nan where there is none.
        f1: their harmonic mean, 2 TP / (detections + objects); nan where there is neither.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def score_curve(scores: np.ndarray, correct: np.ndarray, num_objects: int) -> ScoreCurve:
    """Precision, recall and F1 over the threshold.

    Args:
        scores, correct: (D,) of the detections that count, in any order.
        num_objects: how many there are to be found.
    """
    scores, correct = np.asarray(scores, float), np.asarray(correct, bool)
    kept, right = (
        len(values) - np.searchsorted(np.sort(values), THRESHOLDS, side="left")
        for values in (scores, scores[correct])
    )

    def share(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
        whole = np.broadcast_to(whole, part.shape)
        return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)

    return ScoreCurve(
        share(right, kept), share(right, num_objects), share(2 * right, kept + num_objects)
    )


def best_threshold(curve: ScoreCurve) -> int | None:
    """The place in THRESHOLDS where F1 is highest: the middle of the first such stretch.

    The middle, because scores of other images will lie a little higher or lower. None where
    there is nothing to find or nothing right at any threshold.
    """
    f1 = np.nan_to_num(curve.f1)
    best = f1.max()
    if best <= 0:
        return None
    first = int(f1.argmax())
    beyond = np.flatnonzero(f1[first:] < best)
    last = first + int(beyond[0]) - 1 if len(beyond) else len(f1) - 1
    return (first + last) // 2
