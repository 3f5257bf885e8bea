"""Compute all numbers of the report from ground truth and predictions.

Shapes: P images, K classes, D detections, R = 101 recalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.evaluation.coco_summary import AP_ITEMS, read_class, read_items
from condinst.evaluation.evaluators import choose_backend, evaluate
from condinst.evaluation.matches import Detections, PrecisionCurves, gather_detections
from condinst.evaluation.prediction_file import read_predictions
from condinst.report.confusion import confusion_matrix
from condinst.report.error_kinds import ErrorKinds, find_error_kinds
from condinst.report.evaluated_split import EvaluatedSplit
from condinst.report.matching import FREE, MatchedImage, Pairing, compare_images, pair
from condinst.report.thresholds import THRESHOLDS, ScoreCurve, best_threshold, score_curve

__all__ = ["Accuracy", "Analysis", "OperatingPoint", "ImageScore", "analyze"]

IOU_THR = 0.5
_NO_THRESHOLD = 0.3  # without a right detection: the default of condinst predict


@dataclass(frozen=True)
class Accuracy:
    """AP of masks or of boxes.

    Attributes:
        items: COCO's numbers under mmdet's names; -1 without objects of the kind.
        classes: K lists with the AP_ITEMS of a class; nan without objects of the kind.
        curves: precision over recall.
    """

    items: dict[str, float]
    classes: list[list[float]]
    curves: PrecisionCurves


@dataclass(frozen=True)
class OperatingPoint:
    """The score threshold with the highest F1, and F1, precision and recall there.

    All are None if no detection is right.
    """

    threshold: float | None
    f1: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class ImageScore:
    """The result on one image at the threshold.

    Attributes:
        index: the image's index in ``truth.image_ids``.
        objects, right, false_positives, missed: counts.
        quality: the panoptic quality (Kirillov et al., CVPR 2019, Section 4.1) of the image, all
            classes together: the sum of the IoUs of right detections, divided by their number plus
            half of the false positives and half of the missed objects. None without objects and
            detections.
    """

    index: int
    objects: int
    right: int
    false_positives: int
    missed: int
    quality: float | None


@dataclass(frozen=True)
class Analysis:
    """The numbers of the report.

    Attributes:
        detections: the detections of ``iou_type``.
        accuracy: the AP by "segm" and "bbox".
        iou_type: the overlap of all numbers below: "segm" with masks, else "bbox".
        operating, score_curve: of all classes pooled.
        operating_of: K operating points, one for each class.
        threshold: the threshold of ``operating``; 0.3 without a right detection.
        confusion: (K + 1, K + 1), see :func:`condinst.report.confusion.confusion_matrix`.
        errors: the cost of each kind of error.
        pairing: detections of all scores paired with objects of their class.
        images: P results.
    """

    detections: Detections
    accuracy: dict[str, Accuracy]
    iou_type: str
    operating: OperatingPoint
    score_curve: ScoreCurve
    operating_of: list[OperatingPoint]
    threshold: float
    confusion: np.ndarray
    errors: ErrorKinds
    pairing: Pairing
    images: list[ImageScore]


def analyze(split: EvaluatedSplit, predictions_file: str | Path) -> Analysis:
    """Evaluate saved predictions.

    Args:
        split: the images, their objects and the settings of the metric.
        predictions_file: the file that CocoMetric has saved.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file does not fit the annotation file.
    """
    truth = split.truth
    predictions, has_masks = read_predictions(predictions_file, truth.category_ids)
    wanted = [kind for kind in split.iou_types if kind != "segm" or has_masks]
    found = {
        kind: gather_detections(predictions, truth, truth.category_ids, kind) for kind in wanted
    }
    if not found:
        raise ValueError(
            f"{predictions_file}: the predictions have no masks, and the metric measures "
            f"{', '.join(split.iou_types) or 'neither segm nor bbox'}"
        )
    accuracy = {kind: _accuracy(split, detections) for kind, detections in found.items()}
    main = wanted[0]
    detections = found[main]
    images = compare_images(truth, detections, split.max_dets[-1])
    pairing = pair(images, truth, detections, iou_thr=IOU_THR)
    curve, operating = _operate(split, detections, pairing, None)
    threshold = _NO_THRESHOLD if operating.threshold is None else operating.threshold
    any_class = pair(images, truth, detections, iou_thr=IOU_THR, same_class=False)
    return Analysis(
        detections=detections,
        accuracy=accuracy,
        iou_type=main,
        operating=operating,
        score_curve=curve,
        operating_of=[
            _operate(split, detections, pairing, index)[1]
            for index in range(len(accuracy[main].classes))
        ],
        threshold=threshold,
        confusion=confusion_matrix(truth, detections, any_class, threshold),
        errors=find_error_kinds(images, truth, detections, iou_thr=IOU_THR),
        pairing=pairing,
        images=_score_images(images, detections, pairing, threshold),
    )


def _accuracy(split: EvaluatedSplit, detections: Detections) -> Accuracy:
    truth = split.box_truth if detections.masks is None else None
    curves = evaluate(
        truth or split.truth,
        detections,
        backend=choose_backend("auto"),
        iou_thrs=split.iou_thrs,
        max_dets=split.max_dets,
    )
    return Accuracy(
        read_items(curves, split.iou_thrs, split.max_dets, split.cap_of_map),
        [read_class(curves, k, split.iou_thrs) for k in range(len(split.class_names))],
        curves,
    )


def _operate(
    split: EvaluatedSplit, detections: Detections, pairing: Pairing, category: int | None
) -> tuple[ScoreCurve, OperatingPoint]:
    """Find the operating point of one class, or of all if ``category`` is None."""
    counted = pairing.object_of >= FREE
    is_object = ~split.truth.crowds
    if category is not None:
        counted &= detections.categories == category
        is_object &= split.truth.categories == category
    curve = score_curve(
        detections.scores[counted], pairing.object_of[counted] >= 0, int(is_object.sum())
    )
    place = best_threshold(curve)
    if place is None:
        return curve, OperatingPoint(None, None, None, None)
    values = (float(line[place]) for line in (curve.f1, curve.precision, curve.recall))
    return curve, OperatingPoint(float(THRESHOLDS[place]), *values)


def _score_images(
    images: Sequence[MatchedImage], detections: Detections, pairing: Pairing, threshold: float
) -> list[ImageScore]:
    scores = []
    for index, image in enumerate(images):
        kept = image.found[detections.scores[image.found] >= threshold]
        right = kept[pairing.object_of[kept] >= 0]
        wrong = int((pairing.object_of[kept] == FREE).sum())
        missed = len(image.objects) - len(right)
        weight = len(right) + (wrong + missed) / 2
        quality = float(pairing.ious[right].sum()) / weight if weight else None
        scores.append(ImageScore(index, len(image.objects), len(right), wrong, missed, quality))
    return scores


def as_dict(analysis: Analysis, split: EvaluatedSplit) -> dict[str, Any]:
    """Return the content of report.json, with None for nan and -1."""
    names = split.class_names
    errors = analysis.errors
    return {
        "iou_type": analysis.iou_type,
        "detections": len(analysis.detections),
        "ap": {
            kind: {name: known(value) for name, value in accuracy.items.items()}
            for kind, accuracy in analysis.accuracy.items()
        },
        "ap_by_class": {
            kind: {
                name: dict(zip(AP_ITEMS, map(known, values), strict=True))
                for name, values in zip(names, accuracy.classes, strict=True)
            }
            for kind, accuracy in analysis.accuracy.items()
        },
        "score_threshold": {
            "all": vars(analysis.operating),
            "by_class": {
                name: vars(one) for name, one in zip(names, analysis.operating_of, strict=True)
            },
        },
        "confusion_matrix": {
            "threshold": analysis.threshold,
            "names": [*names, "background"],
            "rows_are_ground_truth": analysis.confusion.tolist(),
        },
        "errors": {
            "ap_50": errors.ap,
            "counts": errors.counts,
            "gains": errors.gains,
            "false_positives": errors.false_positives,
            "false_negatives": errors.false_negatives,
        },
        "images": [
            {"file": split.file_names[score.index]}
            | {k: v for k, v in vars(score).items() if k != "index"}
            for score in analysis.images
        ],
    }


def known(value: float) -> float | None:
    """Return a number, or None for nan and for -1, COCO's value without objects."""
    return float(value) if np.isfinite(value) and value > -1 else None
