"""Fix one annotation: its mask first, then its box and area by the mask."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pycocotools import mask as coco_mask

from condinst.data_report.mask_measures import ZERO_AREA, rasterize
from condinst.masks.crop import Crop
from condinst.masks.rle import as_text, encode_crop
from condinst.masks.self_crossing import has_many_crossings

__all__ = ["FixedAnnotation", "fix_annotation"]

_NO_MASK = ("malformed_mask", "mask_size", "empty_mask")
_POLYGONS = ("short_polygon", "flat_polygon", "crossing", "crossing_slightly")
_BOX = (
    "no_box",
    "degenerate_box",
    "tiny_box",
    "box_outside",
    "box_partly_outside",
    "box_mask",
)
_AREA = ("no_area", "area_zero", "area_mask")
Size = tuple[int, int]  # height, width
Box = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True)
class FixedAnnotation:
    """The result of fixing an annotation.

    Attributes:
        annotation: the fixed annotation; None if it is dropped.
        actions: (kind's key, what was done) for each fix.
    """

    annotation: dict[str, Any] | None
    actions: list[tuple[str, str]]


def fix_annotation(
    ann: dict[str, Any],
    issues: Collection[str],
    size: Size,
    *,
    filled: Collection[int] = (),
    dropped: Collection[int] = (),
    boxes_only: bool = False,
) -> FixedAnnotation:
    """Fix an annotation.

    Args:
        ann: the annotation; it is not changed.
        issues: keys of the kinds of its issues.
        size: height and width of its image.
        filled: indices of polygons that cross themselves and are filled.
        dropped: indices of polygons that have too few points or no area.
        boxes_only: whether the file has only boxes. An object without a mask in another file keeps
            its box too, from which training can learn.
    """
    by_mask = [key for key in issues if key in _NO_MASK]
    by_polygon = [key for key in issues if key in _POLYGONS]
    by_box = [key for key in issues if key in _BOX]
    by_area = [key for key in issues if key in _AREA]
    if boxes_only or "no_mask" in issues:
        return _fix_box_only(ann, by_box, by_area, size)
    if by_mask:
        return _as_crowd(ann, by_mask, size)
    actions: list[tuple[str, str]] = []
    if by_polygon:
        mask = _fixed_polygons(ann["segmentation"], size, filled, dropped)
        if not mask:
            return _as_crowd(ann, by_polygon, size)
        ann = ann | {"segmentation": mask}
        actions += [
            (key, "outline filled" if "cross" in key else "polygon dropped") for key in by_polygon
        ]
    if not (by_polygon or by_box or by_area):
        return FixedAnnotation(ann, actions)
    rle = rasterize(ann["segmentation"], *size)
    pixels = int(coco_mask.area(rle))
    if not pixels:  # outside the image, or too small
        return _as_crowd(ann, [*by_polygon, *by_box, *by_area], size)
    if by_box or dropped:
        ann = ann | {"bbox": _mask_box(ann["segmentation"], rle, size)}
        actions += [(key, "box made from the mask") for key in by_box]
    if by_area or by_polygon:
        ann = ann | {"area": pixels}
        actions += [(key, "area made from the mask") for key in by_area]
    return FixedAnnotation(ann, actions)


def _fix_box_only(
    ann: dict[str, Any], by_box: list[str], by_area: list[str], size: Size
) -> FixedAnnotation:
    actions = []
    if by_box:
        box = _cut(ann.get("bbox"), size)
        if by_box != ["box_partly_outside"] or box is None:
            return FixedAnnotation(None, [(key, "annotation dropped") for key in by_box])
        ann = ann | {"bbox": list(box), "area": box[2] * box[3]}
        actions.append((by_box[0], "box cut off at the image's edge"))
    if by_area:
        ann = ann | {"area": ann["bbox"][2] * ann["bbox"][3]}
        actions += [(key, "area made from the box") for key in by_area]
    return FixedAnnotation(ann, actions)


def _as_crowd(ann: dict[str, Any], issues: Collection[str], size: Size) -> FixedAnnotation:
    """Make a crowd region of whole pixels around the box, neither learned nor counted."""
    box = _cut(ann.get("bbox"), size)
    if box is None:
        return FixedAnnotation(None, [(key, "annotation dropped") for key in issues])
    x1, y1 = math.floor(box[0]), math.floor(box[1])
    x2, y2 = math.ceil(box[0] + box[2]), math.ceil(box[1] + box[3])
    crowd = ann | {
        "iscrowd": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
    }
    return FixedAnnotation(crowd, [(key, "made a crowd region of its box") for key in issues])


def _cut(box: Any, size: Size) -> Box | None:
    """Cut a box off at the image; None if there is no box or less than one pixel is left."""
    try:
        x, y, width, height = (float(value) for value in box)
    except (TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (x, y, width, height))):
        return None
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(float(size[1]), x + width), min(float(size[0]), y + height)
    return (x1, y1, x2 - x1, y2 - y1) if x2 - x1 >= 1 and y2 - y1 >= 1 else None


def _mask_box(segmentation: Any, rle: dict, size: Size) -> list[float]:
    """Return x, y, width, height of a mask.

    For polygons the box encloses the points, as in COCO. For an RLE, and for a box
    smaller than one pixel, it encloses the pixels.
    """
    if isinstance(segmentation, list):
        points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in segmentation])
        low, high = points.min(axis=0), points.max(axis=0)
        box = _cut((*low, *(high - low)), size)
        if box is not None:
            return [float(value) for value in box]
    return [float(value) for value in coco_mask.toBbox(rle)]


def _fixed_polygons(
    polygons: list[list[float]], size: Size, filled: Collection[int], dropped: Collection[int]
) -> list[list[float]] | dict[str, Any]:
    """Return polygons that do not cross themselves, or an RLE if the mask has a hole."""
    outlines: list[list[float]] = []
    holes: list[list[float]] = []
    for place, polygon in enumerate(polygons):
        if place in dropped:
            continue
        if place not in filled:
            outlines.append(polygon)
            continue
        if has_many_crossings(np.reshape(polygon, (-1, 2))):  # too many crossings to fill
            kept = [p for n, p in enumerate(polygons) if n not in dropped]
            return as_text(rasterize(kept, *size))
        shape = shapely.polygons(np.reshape(polygon, (-1, 2)))
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
        for part in shapely.get_parts(shape):
            if part.area > ZERO_AREA:
                outlines.append(_ring(part.exterior))
                holes += [_ring(ring) for ring in part.interiors if _area(ring) > ZERO_AREA]
    if not holes:
        return outlines
    mask = coco_mask.decode(rasterize(outlines, *size)).astype(bool)
    mask &= ~coco_mask.decode(rasterize(holes, *size)).astype(bool)
    return as_text(encode_crop(Crop.of(mask), size))


def _ring(ring: Any) -> list[float]:
    """Return x, y, x, y, ... without the repeated first point at the end."""
    return np.asarray(ring.coords)[:-1].ravel().tolist()


def _area(ring: Any) -> float:
    return float(shapely.area(shapely.polygons(ring)))
