"""Which class is taken for which: a confusion matrix of instances."""

from __future__ import annotations

import numpy as np

from condinst.evaluation.matches import Detections, Truth
from condinst.report.matching import FREE, Pairing

__all__ = ["confusion_matrix"]


def confusion_matrix(
    truth: Truth, detections: Detections, pairing: Pairing, score_thr: float
) -> np.ndarray:
    """(K + 1, K + 1) counts: rows are the objects' classes, columns the detections'.

    The last row holds detections without an object (background taken for a class), the last column
    objects that no detection was paired with. Detections inside crowds are not counted.

    Args:
        pairing: whatever the class, ``pair(..., same_class=False)``.
        score_thr: detections with a lower score are left out.
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
