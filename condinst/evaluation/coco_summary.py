"""Read the numbers of COCO's protocol from the curves, under mmdet's names, and as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from terminaltables import AsciiTable

from condinst.evaluation.matches import PrecisionCurves
from condinst.utils.names import printable

__all__ = ["AP_ITEMS", "class_table", "item_names", "read_class", "read_items"]

AP_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
_SIZES = {"": 0, "_s": 1, "_m": 2, "_l": 3}


def item_names(max_dets: Sequence[int]) -> tuple[str, ...]:
    """Return all names of :func:`read_items`: AP_ITEMS, AR@n, and AR_s@n ... of the largest n."""
    caps = sorted(max_dets)
    sizes = [f"AR{size}@{caps[-1]}" for size in _SIZES if size]
    return (*AP_ITEMS, *(f"AR@{cap}" for cap in caps), *sizes)


def read_items(
    curves: PrecisionCurves, iou_thrs: np.ndarray, max_dets: Sequence[int], cap_of_map: int
) -> dict[str, float]:
    """Return all numbers without rounding; -1 if there is no object or no such threshold.

    Args:
        curves: precision and recall.
        iou_thrs: (T,) IoU thresholds of the curves.
        max_dets: (M,) caps on the detections per image and class, ascending.
        cap_of_map: the cap of "mAP", one of ``max_dets``. "AR@n" has the cap n, and all other
            numbers the largest cap.
    """
    caps = list(max_dets)
    at = caps.index(cap_of_map)
    items = {"mAP": _mean(curves.precision[:, :, :, 0, at])}
    for percent in (50, 75):
        same = np.isclose(iou_thrs, percent / 100)
        items[f"mAP_{percent}"] = _mean(curves.precision[same, :, :, 0, -1])
    for size, index in _SIZES.items():
        if size:
            items[f"mAP{size}"] = _mean(curves.precision[:, :, :, index, -1])
    for index, cap in enumerate(caps):
        items[f"AR@{cap}"] = _mean(curves.recall[:, :, 0, index])
    for size, index in _SIZES.items():
        if size:
            items[f"AR{size}@{caps[-1]}"] = _mean(curves.recall[:, :, index, -1])
    return items


def read_class(curves: PrecisionCurves, index: int, iou_thrs: np.ndarray) -> list[float]:
    """Return AP_ITEMS of one class at the largest cap; nan without objects or the threshold."""
    precision = curves.precision[:, :, index, :, -1]  # (T, R, A)
    items = [precision[..., 0]]
    items += [precision[np.isclose(iou_thrs, thr), :, 0] for thr in (0.5, 0.75)]
    items += [precision[..., size] for size in (1, 2, 3)]
    return [_mean(values, nothing=float("nan")) for values in items]


def class_table(names: Sequence[str], numbers: Sequence[Sequence[float]]) -> str:
    """Return a text table with the six AP numbers of each class."""
    rows = [
        [printable(name), *(f"{value:.3f}" for value in values)]
        for name, values in zip(names, numbers, strict=True)
    ]
    return AsciiTable([["category", *AP_ITEMS], *rows]).table


def _mean(values: np.ndarray, nothing: float = -1.0) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else nothing
