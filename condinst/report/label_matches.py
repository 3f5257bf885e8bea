"""Measure saved predictions as benchmarks of cells and nuclei do; choose the score threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from condinst.evaluation.label_matching import Matches
from condinst.evaluation.matched_images import ScoredOverlaps, best_score_thr, compare, count_all
from condinst.evaluation.matches import Detections, Truth
from condinst.evaluation.matching_metric import IOU_THRS, check_matching, truth_of_image
from condinst.masks.rle import checked_rle, crop_of_rle
from condinst.utils.html_page import HtmlPage

__all__ = ["LabelMatches", "as_dict", "measure", "section"]


@dataclass(frozen=True)
class LabelMatches:
    """The numbers of :class:`condinst.evaluation.MatchingMetric` at the best score threshold.

    Attributes:
        threshold: the score threshold with the highest mean of ``ap``; None if no detection is
            right.
        iou_thrs: T IoU thresholds.
        ap: TP / (TP + FP + FN) at each, all images together.
        image_ap: the mean over images.
        precision, recall, f1, pq: at each, all images together.
    """

    threshold: float | None
    iou_thrs: list[float]
    ap: list[float]
    image_ap: list[float]
    precision: list[float]
    recall: list[float]
    f1: list[float]
    pq: list[float]


def measure(truth: Truth, detections: Detections, settings: Mapping[str, Any]) -> LabelMatches:
    """Choose the score threshold and measure with it.

    Args:
        truth: the objects.
        detections: the detections, with masks.
        settings: the metric's arguments in the config.

    Raises:
        ValueError: a setting is invalid, or there are no masks.
    """
    if detections.masks is None:
        raise ValueError("MatchingMetric: the predictions have no masks, which it compares")
    iou_thrs = [float(value) for value in settings.get("iou_thrs", IOU_THRS)]
    min_visible = settings.get("min_visible", 0.0)
    check_matching(iou_thrs, "best", min_visible)
    images = [
        _compare(truth, detections, image, min_visible, min(iou_thrs))
        for image in range(len(truth.image_ids))
    ]
    best = best_score_thr(images, iou_thrs)
    parts = count_all(images, iou_thrs, 0.0 if best is None else best[0])
    total = Matches.sum(parts, len(iou_thrs))
    return LabelMatches(
        threshold=None if best is None else best[0],
        iou_thrs=iou_thrs,
        image_ap=Matches.mean_ap(parts, len(iou_thrs)).tolist(),
        **{key: getattr(total, key).tolist() for key in ("ap", "precision", "recall", "f1", "pq")},
    )


def _compare(
    truth: Truth, detections: Detections, image: int, min_visible: float, least_iou: float
) -> ScoredOverlaps:
    assert detections.masks is not None
    places = np.flatnonzero((detections.images == image) & (detections.categories >= 0))
    size = truth.sizes[image]
    if size is None:
        raise ValueError(f"{truth.name}: image {truth.image_ids[image]} has no height and width")
    masks = [crop_of_rle(checked_rle(detections.masks[place], *size)) for place in places]
    ids = np.array(truth.category_ids, object)
    return compare(
        *truth_of_image(truth, image),
        masks,
        ids[detections.categories[places]],
        detections.scores[places],
        size,
        min_visible=min_visible,
        least_iou=least_iou,
    )


def section(page: HtmlPage, found: LabelMatches) -> None:
    """Add the numbers to the page."""
    page.heading("One-to-one matches")
    if found.threshold is None:
        page.paragraph("No detection is right, so there is no best threshold.", "warning")
        return
    mean = sum(found.ap) / len(found.ap)
    page.paragraph(
        f"The mean of TP / (TP + FP + FN) over these IoU thresholds is highest, {mean:.3f}, at the "
        f"score threshold {found.threshold:.2f}. For predictions: condinst predict CONFIG "
        f"CHECKPOINT IMAGES --format labels --score-thr {found.threshold:.2f}; for test images: "
        f"condinst test CONFIG CHECKPOINT --metric matching --score-thr {found.threshold:.2f}. The "
        "threshold is chosen on these images, so the numbers will be a little lower on others."
    )
    columns = (found.ap, found.image_ap, found.precision, found.recall, found.f1, found.pq)
    page.table(
        ["IoU", "TP/(TP+FP+FN)", "mean of images", "precision", "recall", "F1", "PQ"],
        [list(row) for row in zip(found.iou_thrs, *columns, strict=True)],
        name="matches",
        bars=[1],
        full=1,
    )


def as_dict(found: LabelMatches) -> dict[str, Any]:
    """Return the content of report.json."""
    return asdict(found)
