"""Turn drawn shapes and masks into COCO annotations without ids.

Coordinates are COCO's: pixels from the image's top left corner, where the first pixel reaches from
0 to 1. Areas are pycocotools': the number of pixels that a mask covers. Masks of area 0 are empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from condinst.datasets.coco.entry_issues import short_repr
from condinst.datasets.coco.entry_values import MAX_SIDE
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import as_text, checked_rle, encode_runs, read_counts

__all__ = [
    "box_object",
    "check_label",
    "check_pixels",
    "ellipse",
    "is_rectangle",
    "label_map_rles",
    "mask_rle",
    "polygon_object",
    "polygons_rle",
    "rings_rle",
    "rectangle",
    "rle_object",
    "segmentation_object",
    "union_rle",
]

_DECIMALS = 3  # of a pixel
_MAX_SAGITTA = 0.05  # largest distance in pixels between an ellipse and its polygon


def check_label(value: Any) -> bool:
    """Tell whether a value can name a class: printable text, or an integer."""
    if type(value) is int:
        return abs(value) < 1 << 63
    return type(value) is str and value.isprintable() and len(value) <= 300


def check_pixels(values: Any) -> np.ndarray:
    """Return coordinates or lengths in pixels as a float64 array of the same shape.

    Raises:
        ValueError: a value is not a finite number, or larger than any image.
    """
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"expected numbers of pixels, got {short_repr(values)}") from None
    wrong = ~(np.abs(numbers) <= MAX_SIDE)
    if wrong.any():
        given = np.asarray(values, object)[wrong]  # numpy has turned null into nan
        first = given.flat[0] if isinstance(given, np.ndarray) else given
        got = "null" if first is None else short_repr(float(first))
        raise ValueError(f"expected pixels, at most {MAX_SIDE}, got {got}")
    return numbers


def rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    """Return the (4, 2) corners of the rectangle with two given opposite corners."""
    left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def ellipse(cx: float, cy: float, rx: float, ry: float, theta: float = 0.0) -> np.ndarray:
    """Return (N, 2) points of an ellipse; ``theta`` is in radians, from the x to the y axis."""
    check_pixels([cx, cy, rx, ry])
    if not math.isfinite(theta):
        raise ValueError(f"expected a finite angle, got {theta}")
    radius = max(rx, ry, 1e-9)
    # the sagitta of an arc of angle a is r * (1 - cos(a / 2))
    step = 2 * math.acos(max(-1.0, 1 - _MAX_SAGITTA / radius)) if radius > _MAX_SAGITTA else 1.0
    angles = np.linspace(0, 2 * math.pi, max(16, math.ceil(2 * math.pi / step)), endpoint=False)
    x, y = rx * np.cos(angles), ry * np.sin(angles)
    cos, sin = math.cos(theta), math.sin(theta)
    return np.stack([cx + x * cos - y * sin, cy + x * sin + y * cos], axis=1)


def polygon_object(
    label: Any, polygons: Sequence[np.ndarray], height: int, width: int
) -> dict[str, Any] | None:
    """Return an instance of one or more (N, 2) polygons; None if it covers no pixel.

    Raises:
        ValueError: a coordinate is not a finite number, or larger than any image.
    """
    rounded = [np.round(check_pixels(polygon), _DECIMALS) for polygon in polygons]
    flat = [polygon.ravel().tolist() for polygon in rounded]
    area = int(coco_mask.area(polygons_to_rle(flat, height, width)))
    if not area:
        return None
    points = np.concatenate(rounded)
    x1, y1 = np.clip(points.min(0), 0, (width, height)).tolist()
    x2, y2 = np.clip(points.max(0), 0, (width, height)).tolist()
    return _object(label, flat, [x1, y1, x2 - x1, y2 - y1], area)


def rle_object(label: Any, rle: dict[str, Any], *, crowd: bool = False) -> dict[str, Any] | None:
    """Return an instance of one of pycocotools' RLEs; None if it is empty."""
    area = int(coco_mask.area(rle))
    if not area:
        return None
    return _object(label, as_text(rle), coco_mask.toBbox(rle).tolist(), area, crowd)


def segmentation_object(
    label: Any, segmentation: Any, height: int, width: int
) -> dict[str, Any] | None:
    """Return an instance of COCO polygons or a COCO RLE; None if it covers no pixel.

    Raises:
        ValueError: the segmentation is neither, or an RLE of another size.
    """
    if isinstance(segmentation, dict):
        return rle_object(label, checked_rle(segmentation, height, width))
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError(f"expected polygons or an RLE, got {short_repr(segmentation)}")
    flat = segmentation if isinstance(segmentation[0], list) else [segmentation]
    polygons = [check_pixels(part) for part in flat]
    if any(part.ndim != 1 or part.size % 2 or part.size < 6 for part in polygons):
        raise ValueError(f"expected polygons x1, y1, x2, y2, ..., got {short_repr(segmentation)}")
    return polygon_object(label, [part.reshape(-1, 2) for part in polygons], height, width)


def is_rectangle(found: dict[str, Any]) -> bool:
    """Tell whether the outline of an instance is one polygon of four right angles, in any turn."""
    parts = found.get("segmentation")
    if not isinstance(parts, list) or len(parts) != 1 or len(parts[0]) != 8:
        return False
    points = np.asarray(parts[0]).reshape(4, 2)
    sides = np.roll(points, -1, axis=0) - points  # (4, 2)
    lengths = np.hypot(*sides.T)
    cosines = np.abs((sides * np.roll(sides, -1, axis=0)).sum(1))
    square = (cosines <= 0.05 * lengths * np.roll(lengths, -1) + 1).all()
    return bool(square and lengths.min() > 0)


def box_object(
    label: Any, x1: float, y1: float, x2: float, y2: float, height: int, width: int
) -> dict[str, Any] | None:
    """Return an instance with a box and no mask; None if the box is empty in the image."""
    (x1, x2), (y1, y2) = np.clip([x1, x2], 0, width), np.clip([y1, y2], 0, height)
    box = [round(float(v), _DECIMALS) for v in (x1, y1, x2 - x1, y2 - y1)]
    if min(box[2:]) <= 0:
        return None
    return _object(label, None, box, box[2] * box[3])


def _object(
    label: Any, segmentation: Any, box: list[float], area: float, crowd: bool = False
) -> dict[str, Any]:
    found = {"label": label, "bbox": [round(v, _DECIMALS) for v in box], "area": area}
    found["iscrowd"] = int(crowd)
    if segmentation is not None:
        found["segmentation"] = segmentation
    return found


def mask_rle(mask: np.ndarray) -> dict[str, Any]:
    """Return the RLE of the nonzero pixels of an (H, W) mask."""
    return coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8))


def polygons_rle(polygons: Sequence[np.ndarray], height: int, width: int) -> dict[str, Any]:
    """Return the RLE of the union of (N, 2) polygons."""
    return polygons_to_rle([check_pixels(p).ravel() for p in polygons], height, width)


def rings_rle(rings: Sequence[np.ndarray], height: int, width: int) -> dict[str, Any]:
    """Return the RLE of the first of some (N, 2) polygons without the others, its holes."""
    outer = polygons_rle(rings[:1], height, width)
    if len(rings) == 1:
        return outer
    runs = read_counts(polygons_rle(rings[1:], height, width)["counts"])
    outside = runs[1:] if not runs[0] else np.concatenate([[0], runs])
    return coco_mask.merge([outer, encode_runs(outside, height, width)], intersect=True)


def union_rle(rles: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the RLE of the union of several masks."""
    return coco_mask.merge(list(rles))


def label_map_rles(labels: np.ndarray) -> dict[int, dict[str, Any]]:
    """Return value -> RLE for each value but 0 of an (H, W) integer map, by ascending value.

    One pass over the map finds all values, however many there are.
    """
    height, width = labels.shape
    flat = labels.T.ravel()  # (H * W,); COCO's runs go down the columns
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    values = flat[starts]
    lengths = np.diff(starts, append=flat.size)
    order = np.argsort(values, kind="stable")
    order = order[values[order] != 0]
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    rles = {}
    for runs in np.split(order, cuts) if order.size else ():
        ends = starts[runs] + lengths[runs]
        gaps = starts[runs] - np.concatenate([[0], ends[:-1]])
        counts = np.stack([gaps, lengths[runs]], axis=1).ravel()
        if ends[-1] < flat.size:
            counts = np.append(counts, flat.size - ends[-1])
        rles[int(values[runs[0]])] = encode_runs(counts, height, width)
    return rles
