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
from condinst.report.thresholds import THRESHOLDS
from condinst.utils.html_page import HtmlPage
from condinst.utils.html_style import NUM_COLORS
from condinst.utils.words import counted

__all__ = [
    "accuracy",
    "precision_recall",
    "thresholds",
    "training",
]

NAMES = {"segm": "mask", "bbox": "box"}
_AP = dict(zip(AP_ITEMS, ("AP", "AP50", "AP75", "small", "medium", "large"), strict=True))
_SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, math.inf)}


def training(page: HtmlPage, curves: TrainingCurves) -> dict[str, Any]:
    """Add losses, AP and learning rate over the iterations."""
    page.heading("Training")
    if curves.resumed_at:
        page.paragraph(f"Dotted lines: resumed at {', '.join(map(str, curves.resumed_at))}.")
    ap = {_plain(name): _without_gaps(line) for name, line in curves.metrics.items()}
    ap = {name: line for name, line in ap.items() if line}
    if not ap:
        page.paragraph("No validation has been logged.", "warning")
    with page.side_by_side():
        _curve(page, curves, curves.losses, "losses", "Losses.", log=True)
        if ap:
            _curve(page, curves, ap, "validation", "AP at each validation.")
        if curves.learning_rate:
            rate = {"lr": curves.learning_rate}
            _curve(page, curves, rate, "learning_rate", "Learning rate.")
    lines = curves.losses | curves.metrics | {"lr": curves.learning_rate}
    return {
        "curves": {
            name: [[i, v if math.isfinite(v) else None] for i, v in line]
            for name, line in lines.items()
        },
        "resumed_at": curves.resumed_at,
    }


def _curve(
    page: HtmlPage,
    curves: TrainingCurves,
    lines: dict[str, Line],
    name: str,
    caption: str,
    *,
    log: bool = False,
) -> None:
    figure = figures.line_figure(lines, name.replace("_", " "), log=log, marks=curves.resumed_at)
    text = figures.lines_in_words(lines)
    page.figure(figure, caption, name=name, text=text, **_by_iteration(lines))


def _plain(name: str) -> str:
    """Return "mask AP50" for "coco/segm_mAP_50", and other metrics as they are."""
    kind, _, item = name.removeprefix("coco/").partition("_")
    return f"{NAMES[kind]} {_AP[item]}" if kind in NAMES and item in _AP else name


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
        f"{counted(len(truth.image_ids), 'image')}, {counted(int(is_object.sum()), 'object')}, "
        f"{counted(len(analysis.detections), 'detection')}; up to {split.max_dets[-1]} per "
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
        ["", *_AP.values()],
        [*rows, ["objects", len(areas), None, None, *counts]],
        name="ap",
        sort=False,
    )
    page.heading("By class", 3)
    objects = np.bincount(truth.categories[is_object], minlength=len(split.class_names))
    for kind, one in analysis.accuracy.items():
        rows = [
            [name, int(objects[index]), *map(known, one.classes[index])]
            for index, name in enumerate(split.class_names)
        ]
        columns = [f"{NAMES[kind]} {name}" for name in _AP.values()]
        name = f"ap_by_class_{NAMES[kind]}"
        page.table(["class", "objects", *columns], rows, name=name, bars=[2], full=1)


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
    caption = f"Precision over recall, by {kind} IoU, at COCO's 101 recalls"
    with page.side_by_side():
        _recall_figure(page, recalls, overall, overall | by_class, f"{caption}.")
        if 1 < len(at_half) <= NUM_COLORS:
            _recall_figure(page, recalls, at_half, None, f"{caption}: each class at IoU 0.5.")


def _recall_figure(
    page: HtmlPage,
    recalls: np.ndarray,
    lines: dict[str, np.ndarray],
    written: dict[str, np.ndarray] | None,
    caption: str,
) -> None:
    """Add a figure of some lines, with the numbers of those that are written, if not the same."""
    title = "mean of the classes" if written else "by class, IoU 0.5"
    ends = {name: max(recalls[line > 0], default=0.0) for name, line in lines.items()}
    columns = lines if written is None else written
    page.figure(
        figures.precision_recall_figure(recalls, lines, title),
        caption,
        name="precision_recall" if written else "precision_recall_by_class",
        columns=["recall", *columns],
        rows=np.column_stack([recalls, *columns.values()]).tolist(),
        text=" ".join(f"{name}: up to a recall of {end:.2f}." for name, end in ends.items()),
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
    dashed = "" if best.threshold is None else f" Dashed: the best F1, at {best.threshold:g}."
    figure = figures.threshold_figure(THRESHOLDS, lines, best.threshold)
    with page.side_by_side():
        page.figure(
            figure,
            f"Precision, recall and F1 over the score threshold.{dashed}",
            name="score_threshold",
            columns=["threshold", *lines],
            rows=[
                [t, *(known(v) for v in values)]
                for t, *values in zip(THRESHOLDS.tolist(), *lines.values(), strict=True)
            ],
            text=figures.lines_in_words(
                {name: list(zip(THRESHOLDS, line, strict=True)) for name, line in lines.items()}
            ),
        )
    if len(split.class_names) > 1:
        page.table(
            ["class", "threshold", "F1", "precision", "recall"],
            [
                [name, one.threshold, one.f1, one.precision, one.recall]
                for name, one in zip(split.class_names, analysis.operating_of, strict=True)
            ],
            name="score_threshold_by_class",
            bars=[2],
            full=1,
        )
