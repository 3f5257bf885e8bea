"""The numbers of COCO's protocol, read off the curves under mmdet's names, and as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from terminaltables import AsciiTable

from condinst.evaluation.matches import PrecisionCurves

__all__ = ["AP_ITEMS", "class_table", "item_names", "read_class", "read_items"]

AP_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
_SIZES = {"": 0, "_s": 1, "_m": 2, "_l": 3}


def item_names(max_dets: Sequence[int]) -> tuple[str, ...]:
    """Every name of :func:`read_items`: AP_ITEMS, AR@n for each cap, AR_s@n ... for the largest."""
    caps = sorted(max_dets)
    sizes = [f"AR{size}@{caps[-1]}" for size in _SIZES if size]
    return (*AP_ITEMS, *(f"AR@{cap}" for cap in caps), *sizes)


def read_items(
    curves: PrecisionCurves, iou_thrs: np.ndarray, max_dets: Sequence[int], cap_of_map: int
) -> dict[str, float]:
    """All numbers, not rounded; -1 where there is no object or no such threshold.

    Args:
        max_dets: ascending, as the curves were drawn.
        cap_of_map: the one of ``max_dets`` that "mAP" is read at. All others are read at the
            largest, "AR@n" at n.
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
    """AP_ITEMS of one class at the largest cap; nan where it has no object or no such threshold."""
    precision = curves.precision[:, :, index, :, -1]  # (T, R, A)
    parts = [precision[..., 0]]
    parts += [precision[np.isclose(iou_thrs, thr), :, 0] for thr in (0.5, 0.75)]
    parts += [precision[..., size] for size in (1, 2, 3)]
    return [_mean(part, nothing=float("nan")) for part in parts]


def class_table(names: Sequence[str], numbers: Sequence[Sequence[float]]) -> str:
    """A row for each class, with its six AP numbers."""
    rows = [
        [name, *(f"{value:.3f}" for value in values)]
        for name, values in zip(names, numbers, strict=True)
    ]
    return AsciiTable([["category", *AP_ITEMS], *rows]).table


def _mean(values: np.ndarray, nothing: float = -1.0) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else nothing
