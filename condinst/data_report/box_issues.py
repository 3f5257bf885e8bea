"""Find issues of boxes and areas: by themselves, in their images, and against their masks."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from condinst.data_report.issues import Item
from condinst.data_report.mask_measures import Masks, rasterize
from condinst.data_report.report_source import ReportSource

__all__ = ["find_in_boxes"]

OUTSIDE = 1.0  # pixels; rounding may push a box so far out of the image
EDGE = 2.0  # pixels between the edges of box and mask; conventions differ by one
AREA_FRACTION, AREA_PIXELS = 0.1, 10.0  # an area that differs by more than both is an issue


def find_in_boxes(source: ReportSource, masks: Masks) -> list[tuple[str, Item]]:
    """Return (kind's key, item) of the issues of A boxes and areas.

    A box has at most one issue of its own, and may have one against its mask.
    """
    file = source.file
    x, y, width, height = file.boxes.T
    rows, columns = source.size_of_annotation.T
    known = file.image_index >= 0
    with np.errstate(invalid="ignore"):  # NaN where something is missing
        tests = {
            "no_box": source.no_box,
            "degenerate_box": (width <= 0) | (height <= 0),
            "tiny_box": (width < 1) | (height < 1),
            "box_outside": (x >= columns) | (y >= rows) | (x + width <= 0) | (y + height <= 0),
            "box_partly_outside": (x < -OUTSIDE)
            | (y < -OUTSIDE)
            | (x + width > columns + OUTSIDE)
            | (y + height > rows + OUTSIDE),
        }
    reasons = {f.index: f.text for f in file.issues if f.rule == "bbox"}
    left = known.copy()
    found = []
    for key, test in tests.items():
        for i in np.flatnonzero(left & test).tolist():
            detail = reasons.get(i, "") if key == "no_box" else _box(file.boxes[i])
            found.append((key, _item(source, i, detail)))
        left &= ~test
        if key == "degenerate_box":
            comparable = left.copy()  # a box that leaves the image may still fit its mask
    return found + _against_masks(source, masks, comparable) + _areas(source, masks)


def _against_masks(
    source: ReportSource, masks: Masks, comparable: np.ndarray
) -> list[tuple[str, Item]]:
    boxes, size = source.file.boxes, source.size_of_annotation
    whole = _edges(masks.boxes)
    cut = np.clip(whole, 0, size[:, [1, 0, 1, 0]])
    edges = _edges(boxes)
    # a box may fit the whole mask, or its part in the image
    with np.errstate(invalid="ignore"):
        away = np.minimum(np.abs(edges - whole).max(axis=1), np.abs(edges - cut).max(axis=1))
        wrong = comparable & masks.usable & (away > EDGE)
    return [
        ("box_mask", _item(source, i, f"{_box(boxes[i])}, the mask's {_box(masks.boxes[i])}"))
        for i in sorted(np.flatnonzero(wrong).tolist(), key=lambda i: -away[i])
    ]


def _edges(boxes: np.ndarray) -> np.ndarray:
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def _areas(source: ReportSource, masks: Masks) -> list[tuple[str, Item]]:
    file = source.file
    known = file.image_index >= 0
    reasons = {f.index: f.text for f in file.issues if f.rule == "area"}
    found = [
        ("no_area", _item(source, i, reasons.get(i, "")))
        for i in np.flatnonzero(source.no_area & known).tolist()
    ]
    zero = known & masks.usable & (file.areas <= 0)
    found += [
        ("area_zero", _item(source, i, f"area {file.areas[i]:g}"))
        for i in np.flatnonzero(zero).tolist()
    ]
    known &= source.in_sized_image
    with np.errstate(invalid="ignore"):
        # the area of a crowd is not used, and those in COCO's own files are wrong
        wrong = known & masks.usable & ~zero & ~file.crowd & _differ(file.areas, masks.areas)
    for i in np.flatnonzero(wrong).tolist():
        # the polygons' area is not the number of pixels where they overlap or are a pixel thin
        pixels = pixel_area(source, i)
        if _differ(file.areas[i], pixels):
            width, height = file.boxes[i, 2:]
            same = abs(file.areas[i] - width * height) < 1
            of_box = " (that of the box)" if same else ""
            detail = f"area {file.areas[i]:.0f}{of_box}, the mask's {pixels:.0f}"
            found.append(("area_mask", _item(source, i, detail)))
    return found


def _differ(area: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    away = np.abs(np.asarray(area) - other)
    return (away > AREA_PIXELS) & (away > AREA_FRACTION * np.asarray(other))


def pixel_area(source: ReportSource, i: int) -> float:
    """Return the number of pixels of an annotation's mask in its image."""
    height, width = (int(side) for side in source.file.sizes[source.file.image_index[i]])
    return float(coco_mask.area(rasterize(source.mask(i), height, width)))


def _item(source: ReportSource, i: int, detail: str = "") -> Item:
    return Item(i, int(source.file.image_index[i]), detail)


def _box(box: np.ndarray) -> str:
    return "box " + ", ".join(f"{value:.1f}".removesuffix(".0") for value in box)
