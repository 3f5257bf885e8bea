"""Begin the page with what matters most: AP, the threshold to use, the worst classes and images."""

from __future__ import annotations

import numpy as np

from condinst.report.analysis import IOU_THR, Analysis, known
from condinst.report.curves import TrainingCurves
from condinst.report.evaluated_split import EvaluatedSplit
from condinst.utils.html_page import HtmlPage
from condinst.utils.words import counted

__all__ = ["key_numbers", "logged_numbers", "worst_classes"]

_WORST = 5  # classes
_NAMES = {"segm": "mask AP", "bbox": "box AP"}


def key_numbers(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add AP, the score threshold to use, and what is found with it."""
    items = []
    for kind, accuracy in analysis.accuracy.items():
        half = known(accuracy.items["mAP_50"])
        note = "" if half is None else f"AP50 {half:.3f}"
        items.append((_NAMES[kind], _written(known(accuracy.items["mAP"])), note))
    best = analysis.operating
    objects = int((~split.truth.crowds).sum())
    if best.threshold is None:
        items.append(("score threshold to use", "-", "no detection is right"))
    else:
        note = f"--score-thr {best.threshold:g} has the best F1, {best.f1:.3f}"
        items.append(("score threshold to use", f"{best.threshold:g}", note))
        found = f"of {counted(objects, 'object')}, at IoU {IOU_THR:g} and this threshold"
        items.append(("found", f"{100 * (best.recall or 0):.0f} %", found))
        right = "of the detections, at this threshold"
        items.append(("right", f"{100 * (best.precision or 0):.0f} %", right))
    page.key_numbers(items)


def logged_numbers(page: HtmlPage, curves: TrainingCurves) -> None:
    """Add the AP of the last validation in the log, for pages without predictions."""
    items = []
    for kind, name in _NAMES.items():
        line = [point for point in curves.metrics.get(f"coco/{kind}_mAP", []) if point[1] >= 0]
        if line:
            iteration, value = line[-1]
            items.append((name, _written(value), f"at iteration {iteration:,}"))
    if items:
        page.key_numbers(items)


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def worst_classes(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add the classes with the lowest AP, if there are enough to choose from."""
    truth, values = split.truth, analysis.accuracy[analysis.iou_type].classes
    objects = np.bincount(truth.categories[~truth.crowds], minlength=len(split.class_names))
    order = [k for k in np.argsort([v[0] for v in values], kind="stable").tolist() if objects[k]]
    if len(order) < 2:
        return
    page.heading("Worst classes")
    shown = order[: min(_WORST, (len(order) + 1) // 2)]
    page.table(
        ["class", "objects", f"{_NAMES[analysis.iou_type]}", "AP50", "threshold for best F1"],
        [
            [
                split.class_names[k],
                int(objects[k]),
                *map(known, values[k][:2]),
                analysis.operating_of[k].threshold,
            ]
            for k in shown
        ],
        bars=[2],
        full=1,
        sort=False,
    )
    page.paragraph(
        f"Of {len(order)} classes with objects; the whole table is under Average precision. The AP "
        "of a class with few objects changes a lot with a single object."
    )
