"""Find the score threshold with the highest F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["THRESHOLDS", "ScoreCurve", "best_threshold", "score_curve"]

THRESHOLDS = np.arange(1001) / 1000  # three digits, as a user types them


@dataclass(frozen=True)
class ScoreCurve:
    """Precision, recall and F1 of the detections with at least each score of THRESHOLDS.

    Attributes:
        precision: (1001,) fraction of the detections that are right; nan without detections.
        recall: (1001,) fraction of the objects that are found; nan without objects.
        f1: (1001,) 2 TP / (detections + objects), the harmonic mean of both; nan without either.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def score_curve(scores: np.ndarray, correct: np.ndarray, num_objects: int) -> ScoreCurve:
    """Compute precision, recall and F1 at each threshold.

    Args:
        scores: (D,) scores of the counted detections, in any order.
        correct: (D,) bool: the detection is right.
        num_objects: number of objects.
    """
    scores, correct = np.asarray(scores, float), np.asarray(correct, bool)
    kept, right = (
        len(values) - np.searchsorted(np.sort(values), THRESHOLDS, side="left")
        for values in (scores, scores[correct])
    )

    def ratio(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
        whole = np.broadcast_to(whole, part.shape)
        return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)

    return ScoreCurve(
        ratio(right, kept), ratio(right, num_objects), ratio(2 * right, kept + num_objects)
    )


def best_threshold(curve: ScoreCurve) -> int | None:
    """Return the index into THRESHOLDS where F1 is highest; None if no detection is right.

    If F1 is highest over a range of thresholds, the middle of the first range is returned, because
    scores of other images will be a little higher or lower.
    """
    f1 = np.nan_to_num(curve.f1)
    best = f1.max()
    if best <= 0:
        return None
    first = int(f1.argmax())
    beyond = np.flatnonzero(f1[first:] < best)
    last = first + int(beyond[0]) - 1 if len(beyond) else len(f1) - 1
    return (first + last) // 2
