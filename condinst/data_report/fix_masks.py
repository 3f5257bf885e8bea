"""Mending one annotation: its mask first, then its box and area by the mask."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pycocotools import mask as coco_mask

from condinst.data_report.mask_measures import ZERO_AREA, rasterize
from condinst.masks.self_crossing import has_many_crossings

__all__ = ["Mended", "mend"]

_NO_MASK = ("no_mask", "malformed_mask", "mask_size", "empty_mask")
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
class Mended:
    """What came of an annotation."""

    annotation: dict[str, Any] | None  # None: dropped
    actions: list[tuple[str, str]]  # kind's key, what was done


def mend(
    ann: dict[str, Any],
    faults: Collection[str],
    size: Size,
    *,
    filled: Collection[int] = (),
    dropped: Collection[int] = (),
    boxes_only: bool = False,
) -> Mended:
    """Repair an annotation.

    Args:
        ann: it is not changed.
        faults: keys of its kinds.
        size: height and width of its image.
        filled: polygons that cross themselves.
        dropped: polygons that are none.
        boxes_only: the file has no masks and needs none.
    """
    by_mask = [key for key in faults if key in _NO_MASK]
    by_polygon = [key for key in faults if key in _POLYGONS]
    by_box = [key for key in faults if key in _BOX]
    by_area = [key for key in faults if key in _AREA]
    if boxes_only:
        return _mend_box_only(ann, by_box, by_area, size)
    if by_mask:
        return _as_crowd(ann, by_mask, size)
    actions: list[tuple[str, str]] = []
    if by_polygon:
        mask = _mended_polygons(ann["segmentation"], size, filled, dropped)
        if not mask:
            return _as_crowd(ann, by_polygon, size)
        ann = ann | {"segmentation": mask}
        actions += [
            (key, "outline filled" if "cross" in key else "polygon dropped") for key in by_polygon
        ]
    if not (by_polygon or by_box or by_area):
        return Mended(ann, actions)
    code = rasterize(ann["segmentation"], *size)
    pixels = int(coco_mask.area(code))
    if not pixels:  # outside the image, or too small
        return _as_crowd(ann, [*by_polygon, *by_box, *by_area], size)
    if by_box or dropped:
        ann = ann | {"bbox": _mask_box(ann["segmentation"], code, size)}
        actions += [(key, "box made from the mask") for key in by_box]
    if by_area or by_polygon:
        ann = ann | {"area": pixels}
        actions += [(key, "area made from the mask") for key in by_area]
    return Mended(ann, actions)


def _mend_box_only(
    ann: dict[str, Any], by_box: list[str], by_area: list[str], size: Size
) -> Mended:
    actions = []
    if by_box:
        box = _cut(ann.get("bbox"), size)
        if by_box != ["box_partly_outside"] or box is None:
            return Mended(None, [(key, "annotation dropped") for key in by_box])
        ann = ann | {"bbox": list(box), "area": box[2] * box[3]}
        actions.append((by_box[0], "box cut off at the image's edge"))
    if by_area:
        ann = ann | {"area": ann["bbox"][2] * ann["bbox"][3]}
        actions += [(key, "area made from the box") for key in by_area]
    return Mended(ann, actions)


def _as_crowd(ann: dict[str, Any], faults: Collection[str], size: Size) -> Mended:
    """A region that is neither learned nor counted, in whole pixels around the box."""
    box = _cut(ann.get("bbox"), size)
    if box is None:
        return Mended(None, [(key, "annotation dropped") for key in faults])
    x1, y1 = math.floor(box[0]), math.floor(box[1])
    x2, y2 = math.ceil(box[0] + box[2]), math.ceil(box[1] + box[3])
    crowd = ann | {
        "iscrowd": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
    }
    return Mended(crowd, [(key, "made a crowd region of its box") for key in faults])


def _cut(box: Any, size: Size) -> Box | None:
    """The box's part in the image; None where there is no box, or under a pixel of it."""
    try:
        x, y, width, height = (float(value) for value in box)
    except (TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (x, y, width, height))):
        return None
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(float(size[1]), x + width), min(float(size[0]), y + height)
    return (x1, y1, x2 - x1, y2 - y1) if x2 - x1 >= 1 and y2 - y1 >= 1 else None


def _mask_box(segmentation: Any, code: dict, size: Size) -> list[float]:
    """That of a polygon's points, as COCO has it; under a pixel, or of a code, that of pixels."""
    if isinstance(segmentation, list):
        points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in segmentation])
        low, high = points.min(axis=0), points.max(axis=0)
        box = _cut((*low, *(high - low)), size)
        if box is not None:
            return [float(value) for value in box]
    return [float(value) for value in coco_mask.toBbox(code)]


def _mended_polygons(
    polygons: list[list[float]], size: Size, filled: Collection[int], dropped: Collection[int]
) -> list[list[float]] | dict[str, Any]:
    """Polygons that do not cross themselves; a run-length code where there is a hole."""
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
            return _stored(rasterize(kept, *size), size)
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
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return _stored(code, size)


def _stored(code: dict[str, Any], size: Size) -> dict[str, Any]:
    return {"size": list(size), "counts": code["counts"].decode()}


def _ring(ring: Any) -> list[float]:
    """x, y, x, y, ... without the first point's repetition at the end."""
    return np.asarray(ring.coords)[:-1].ravel().tolist()


def _area(ring: Any) -> float:
    return float(shapely.area(shapely.polygons(ring)))
