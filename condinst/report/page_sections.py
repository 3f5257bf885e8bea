"""Add the sections of the page with numbers: text, tables and figures.

A function that returns a dict returns its content of report.json.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from condinst.evaluation.coco_summary import AP_ITEMS
from condinst.report import figures
from condinst.report.analysis import IOU_THR, Analysis, known
from condinst.report.curves import Line, TrainingCurves
from condinst.report.evaluated_split import EvaluatedSplit
from condinst.report.example_images import CROWDED
from condinst.report.thresholds import THRESHOLDS
from condinst.utils.html_page import HtmlPage

__all__ = [
    "accuracy",
    "confusion",
    "errors",
    "image_table",
    "precision_recall",
    "thresholds",
    "training",
]

NAMES = {"segm": "mask", "bbox": "box"}
_AP = dict(zip(AP_ITEMS, ("AP", "AP50", "AP75", "small", "medium", "large"), strict=True))
_SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, math.inf)}
_MOST_LINES = 12  # classes that can be distinguished in one figure
_WORST_SHOWN = 20


def training(page: HtmlPage, curves: TrainingCurves) -> dict[str, Any]:
    """Add losses, AP and learning rate over the iterations."""
    page.heading("Training")
    if curves.resumed_at:
        page.paragraph(f"Dotted lines: resumed at {', '.join(map(str, curves.resumed_at))}.")
    loss = figures.line_figure(curves.losses, "training losses", log=True, marks=curves.resumed_at)
    page.figure(loss, "Losses.", name="losses", **_by_iteration(curves.losses))
    ap = {name: _without_gaps(line) for name, line in curves.metrics.items()}
    ap = {name: line for name, line in ap.items() if line}
    if ap:
        figure = figures.line_figure(ap, "validation", marks=curves.resumed_at)
        page.figure(figure, "AP at each validation.", name="validation", **_by_iteration(ap))
    else:
        page.paragraph("No validation has been logged.", "warning")
    if curves.learning_rate:
        rate = {"lr": curves.learning_rate}
        figure = figures.line_figure(rate, "learning rate", marks=curves.resumed_at, height=2.2)
        page.figure(figure, "Learning rate.", name="learning_rate", **_by_iteration(rate))
    lines = curves.losses | curves.metrics | {"lr": curves.learning_rate}
    return {
        "curves": {
            name: [[i, v if math.isfinite(v) else None] for i, v in line]
            for name, line in lines.items()
        },
        "resumed_at": curves.resumed_at,
    }


def _without_gaps(line: Line) -> Line:
    """Leave out values of -1, COCO's value without objects."""
    return [point for point in line if point[1] >= 0]


def _by_iteration(lines: dict[str, Line]) -> dict[str, Any]:
    """Return columns and rows of a table, with empty cells where a line has no value."""
    columns = [dict(line) for line in lines.values()]
    iterations = sorted({iteration for column in columns for iteration in column})
    rows = [[i, *(column.get(i) for column in columns)] for i in iterations]
    return {"columns": ["iteration", *lines], "rows": rows}


def accuracy(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add AP by size and by class, with the number of objects."""
    page.heading("Average precision")
    truth = split.truth
    is_object = ~truth.crowds
    page.paragraph(
        f"{len(truth.image_ids):,} images, {is_object.sum():,} objects, "
        f"{len(analysis.detections):,} detections; up to {split.max_dets[-1]} detections per "
        "image and class count. AP is the mean over IoU thresholds from "
        f"{split.iou_thrs[0]:g} to {split.iou_thrs[-1]:g}, AP50 and AP75 are at 0.5 and 0.75. "
        "Small, medium and large: areas under 32 x 32 and 96 x 96 pixels, and above."
    )
    if not len(analysis.detections):
        page.paragraph("There are no detections on any image.", "warning")
    busiest = np.bincount(truth.images[is_object], minlength=1).max()
    if busiest > split.cap_of_map:
        page.paragraph(
            f"An image has {busiest} objects, and AP counts {split.cap_of_map} detections of a "
            f'class: set val_evaluator.proposal_nums="(1,10,{busiest + 100})".',
            "warning",
        )
    rows = [
        [NAMES[kind], *(known(one.items[name]) for name in AP_ITEMS)]
        for kind, one in analysis.accuracy.items()
    ]
    areas = truth.areas[is_object]
    counts = [int(((areas >= low) & (areas < high)).sum()) for low, high in _SIZES.values()]
    page.table(
        ["", *_AP.values()], [*rows, ["objects", len(areas), None, None, *counts]], name="ap"
    )
    page.heading("By class", 3)
    objects = np.bincount(truth.categories[is_object], minlength=len(split.class_names))
    for kind, one in analysis.accuracy.items():
        rows = [
            [name, int(objects[index]), *map(known, one.classes[index])]
            for index, name in enumerate(split.class_names)
        ]
        columns = [f"{NAMES[kind]} {name}" for name in _AP.values()]
        page.table(["class", "objects", *columns], rows, name=f"ap_by_class_{NAMES[kind]}")


def precision_recall(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add the precision-recall curves, whose area is the AP."""
    page.heading("Precision and recall")
    kind = NAMES[analysis.iou_type]
    precision = analysis.accuracy[analysis.iou_type].curves.precision[..., 0, -1]  # (T, R, K)
    recalls = np.linspace(0, 1, 101)
    overall: dict[str, np.ndarray] = {}
    by_class: dict[str, np.ndarray] = {}
    for thr in (0.5, 0.75):
        for curves in precision[np.isclose(split.iou_thrs, thr)]:
            known_classes = [k for k in range(curves.shape[1]) if curves[0, k] > -1]
            if known_classes:
                overall[f"IoU {thr:g}"] = curves[:, known_classes].mean(axis=1)
            by_class |= {
                f"{split.class_names[k]}, IoU {thr:g}": curves[:, k] for k in known_classes
            }
    if not overall:
        page.paragraph("There are no objects, or no IoU threshold of 0.5 or 0.75.", "warning")
        return
    at_half = {
        name.removesuffix(", IoU 0.5"): line
        for name, line in by_class.items()
        if name.endswith(", IoU 0.5")
    }
    shown = at_half if 1 < len(at_half) <= _MOST_LINES else {}
    lines = overall | by_class
    page.figure(
        figures.precision_recall_figure(recalls, overall, shown),
        f"Precision over recall, by {kind} IoU, at COCO's 101 recalls.",
        name="precision_recall",
        columns=["recall", *lines],
        rows=np.column_stack([recalls, *lines.values()]).tolist(),
    )


def thresholds(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add the thresholds with the highest F1, for all classes together and for each."""
    page.heading("Score threshold")
    best, curve = analysis.operating, analysis.score_curve
    if best.threshold is None:
        page.paragraph(
            f"No detection is right at IoU {IOU_THR:g}, so there is no best threshold; the "
            f"sections below use {analysis.threshold:g}.",
            "warning",
        )
    else:
        page.paragraph(
            f"F1 is highest, {best.f1:.3f}, at the score threshold {best.threshold:g}: precision "
            f"{best.precision:.3f}, recall {best.recall:.3f} at {NAMES[analysis.iou_type]} IoU "
            f"{IOU_THR:g}, all classes together. For predictions: condinst predict CONFIG "
            f"CHECKPOINT IMAGES --score-thr {best.threshold:g}. The threshold is chosen on these "
            "images, so F1 will be a little lower on others."
        )
    lines = {"precision": curve.precision, "recall": curve.recall, "F1": curve.f1}
    page.figure(
        figures.threshold_figure(THRESHOLDS, lines, best.threshold),
        "Precision, recall and F1 over the score threshold.",
        name="score_threshold",
        columns=["threshold", *lines],
        rows=[
            [t, *(known(v) for v in values)]
            for t, *values in zip(THRESHOLDS.tolist(), *lines.values(), strict=True)
        ],
    )
    if len(split.class_names) > 1:
        page.table(
            ["class", "threshold", "F1", "precision", "recall"],
            [
                [name, one.threshold, one.f1, one.precision, one.recall]
                for name, one in zip(split.class_names, analysis.operating_of, strict=True)
            ],
            name="score_threshold_by_class",
        )


def confusion(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add the confusion matrix and the most frequent confusions."""
    page.heading("Confusion matrix")
    names = [*split.class_names, "background"]
    page.figure(
        figures.confusion_figure(analysis.confusion, names),
        f"Rows: ground truth; columns: detections with a score of {analysis.threshold:g} or more. "
        f"Each detection, the best first, takes the free object of any class that it overlaps "
        f"most, with {NAMES[analysis.iou_type]} IoU {IOU_THR:g} or more. Last row: detections "
        "without an object; last column: objects not found. Colors are fractions of a row.",
        name="confusion_matrix",
        columns=["ground truth", *names],
        rows=[[name, *row] for name, row in zip(names, analysis.confusion.tolist(), strict=True)],
    )
    off = analysis.confusion[:-1, :-1].copy()
    np.fill_diagonal(off, 0)
    order = [i for i in np.argsort(-off, axis=None, kind="stable")[:10] if off.flat[i]]
    if order and len(names) > 6:
        page.paragraph("Most frequent confusions:")
        pairs = [np.unravel_index(i, off.shape) for i in order]
        page.table(
            ["ground truth", "detected as", "times"],
            [[names[row], names[column], int(off[row, column])] for row, column in pairs],
        )


def errors(page: HtmlPage, analysis: Analysis) -> None:
    """Add the AP that each kind of error costs."""
    page.heading("What the errors cost")
    found = analysis.errors
    page.figure(
        figures.error_figure(found.gains),
        f"AP at IoU 0.5 is {found.ap:.3f}; a bar is the AP that fixing one kind of error alone "
        "would add (TIDE, Bolya et al. 2020). AP and bars need not add up to 1. Detections with "
        "low scores count too, so many errors may cost little.",
        name="errors",
        columns=["kind", "errors", "AP50 gained"],
        rows=[[kind, found.counts[kind], gain] for kind, gain in found.gains.items()],
    )
    page.table(
        ["kind", "errors", "AP50 gained", "meaning"],
        [
            [kind, found.counts[kind], found.gains[kind], meaning]
            for kind, meaning in _MEANINGS.items()
        ]
        + [
            ["all false positives", None, found.false_positives, "without any false positive"],
            ["all missed", None, found.false_negatives, "if every object were found"],
        ],
    )


_MEANINGS = {
    "classification": "right place (IoU 0.5 or more), wrong class",
    "localization": "right class, IoU between 0.1 and 0.5",
    "both": "wrong class, IoU between 0.1 and 0.5",
    "duplicate": "right, but a better scored detection has the object",
    "background": "IoU of 0.1 or less with every object",
    "missed": "objects not found, without an error of the first two kinds",
}


def image_table(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add the numbers of the worst images, and of all images as a file."""
    page.heading("Images")
    page.paragraph(
        f"At the threshold {analysis.threshold:g} and IoU {IOU_THR:g}. Quality is the panoptic "
        "quality of the image: the sum of the IoUs of right detections, divided by their number "
        "plus half of the false positives and half of the missed objects. The file has all "
        f"images. With a single class, and in images of {CROWDED} or more instances, right "
        "detections are green, and wrong or missed ones are red."
    )
    order = sorted(
        (score for score in analysis.images),
        key=lambda score: 2.0 if score.quality is None else score.quality,
    )
    page.table(
        ["image", "objects", "right", "false positives", "missed", "quality"],
        [
            [
                split.file_names[score.index],
                score.objects,
                score.right,
                score.false_positives,
                score.missed,
                score.quality,
            ]
            for score in order
        ],
        name="images",
        max_rows=_WORST_SHOWN,
    )
