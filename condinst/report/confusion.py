"""Compute a confusion matrix of instances."""

from __future__ import annotations

import numpy as np

from condinst.evaluation.matches import Detections, Truth
from condinst.report.matching import FREE, Pairing

__all__ = ["confusion_matrix"]


def confusion_matrix(
    truth: Truth, detections: Detections, pairing: Pairing, score_thr: float
) -> np.ndarray:
    """Count which class is detected as which.

    Args:
        truth: the objects.
        detections: the detections; those inside crowds are not counted.
        pairing: a pairing across classes, ``pair(..., same_class=False)``.
        score_thr: detections with a lower score are left out.

    Returns:
        (K + 1, K + 1) counts: rows are classes of objects, columns classes of detections. The last
        row holds detections without an object, the last column objects without a detection.
    """
    num_classes = len(truth.category_ids)
    counted = (detections.scores >= score_thr) & (pairing.object_of >= FREE)
    paired = counted & (pairing.object_of >= 0)
    free = counted & (pairing.object_of == FREE)
    matrix = np.zeros((num_classes + 1, num_classes + 1), int)
    objects = pairing.object_of[paired]
    np.add.at(matrix, (truth.categories[objects], detections.categories[paired]), 1)
    np.add.at(matrix, (num_classes, detections.categories[free]), 1)
    missed = ~truth.crowds
    missed[objects] = False
    np.add.at(matrix, (truth.categories[missed], num_classes), 1)
    return matrix
