"""Add the sections of the page on errors: confusions, kinds of errors, and images."""

from __future__ import annotations

import numpy as np

from condinst.report.analysis import IOU_THR, Analysis
from condinst.report.evaluated_split import EvaluatedSplit
from condinst.report.example_images import CROWDED
from condinst.report.page_sections import NAMES
from condinst.utils.html_page import HtmlPage

__all__ = ["confusion", "errors", "image_table"]

_MOST_CLASSES = 60  # of a matrix on the page
_WORST_SHOWN = 200


def confusion(page: HtmlPage, split: EvaluatedSplit, analysis: Analysis) -> None:
    """Add the confusion matrix and the most frequent confusions."""
    page.heading("Confusion matrix")
    names = [*split.class_names, "background"]
    page.paragraph(
        f"Rows: ground truth; columns: detections with a score of {analysis.threshold:g} or more. "
        f"Each detection, the best first, takes the free object of any class that it overlaps "
        f"most, with {NAMES[analysis.iou_type]} IoU {IOU_THR:g} or more. Last row: detections "
        "without an object; last column: objects not found. Colors are fractions of a row."
    )
    shown = _most_confused(analysis.confusion)
    if len(shown) < len(names):
        page.paragraph(f"The {len(shown) - 1} classes with the most errors; the file has all.")
    fractions = analysis.confusion / np.maximum(analysis.confusion.sum(axis=1, keepdims=True), 1)
    part = np.ix_(shown, shown)
    page.matrix(
        [names[k] for k in shown], analysis.confusion[part], "ground truth", fractions[part]
    )
    page.data(
        ["ground truth", *names],
        [[name, *row] for name, row in zip(names, analysis.confusion.tolist(), strict=True)],
        name="confusion_matrix",
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


def _most_confused(matrix: np.ndarray) -> list[int]:
    """Return the classes with the most errors, in their order, and the background."""
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    most = np.argsort(-wrong[:-1], kind="stable")[:_MOST_CLASSES]
    return [*sorted(most.tolist()), len(matrix) - 1]


def errors(page: HtmlPage, analysis: Analysis) -> None:
    """Add the AP that each kind of error costs."""
    page.heading("What the errors cost")
    found = analysis.errors
    page.paragraph(
        f"AP at IoU 0.5 is {found.ap:.3f}; a bar is the AP that fixing one kind of error alone "
        "would add (TIDE, Bolya et al. 2020). AP and bars need not add up to 1. Detections with "
        "low scores count too, so many errors may cost little."
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
        name="errors",
        bars=[2],
        sort=False,
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
        f"At the threshold {analysis.threshold:g} and IoU {IOU_THR:g}, the worst first. Quality is "
        "the panoptic quality of the image: the sum of the IoUs of right detections, divided by "
        "their number plus half of the false positives and half of the missed objects. The file "
        f"has all images. With one class, and in images of {CROWDED} or more instances, right "
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
