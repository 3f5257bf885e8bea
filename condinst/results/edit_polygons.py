"""Masks as polygons for people who correct them: few points, and still the same mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from condinst.masks.crop import Crop
from condinst.masks.polygons import has_hole, trace

__all__ = ["EditOutline", "edit_outline", "join_parts"]

_TOLERANCES = (1.0, 0.7, 0.5, 0.35, 0.25)  # pixels
_MIN_IOU = 0.98
_SPECK, _MIN_IOU_WITHOUT = 0.005, 0.99  # of the object's pixels
_DECIMALS = 2  # of a pixel; corners are whole or half pixels except for those of cuts


class EditOutline(NamedTuple):
    """The outline of an object.

    Attributes:
        parts: for each part a (K, 2) array of xy in the image's pixels, holes joined by cuts of no
            width; none for a mask without pixels.
        has_hole: whether a part has a hole.
    """

    parts: list[np.ndarray]
    has_hole: bool


def edit_outline(crop: Crop) -> EditOutline:
    """Trace a mask with as few points as keep an IoU of 0.98 with it.

    The IoU is that of pycocotools' drawing. Only an object of a few pixels has a corner at each.
    Specks and pinholes of less than half a percent of the object are left out, if they are not
    many.
    """
    mask = crop.mask
    if not mask.size:
        return EditOutline([], False)
    least = _SPECK * float(np.count_nonzero(mask))
    if least <= 1 or _iou(trace(mask, least=least), mask) < _MIN_IOU_WITHOUT:
        least = 0.0
    for tolerance in _TOLERANCES:
        found = []
        for stairs in (True, False):
            parts = trace(mask, tolerance=tolerance, stairs=stairs, least=least)
            iou = _iou(parts, mask)
            if iou >= _MIN_IOU:
                found.append((sum(map(len, parts)), -iou, parts))
        if found:
            parts = min(found, key=lambda each: each[:2])[2]
            break
    else:
        parts, least = trace(mask), 0.0
    moved = [np.round(part + [crop.x, crop.y], _DECIMALS) for part in parts]
    return EditOutline(moved, has_hole(mask, least))


def _iou(parts: list[np.ndarray], mask: np.ndarray) -> float:
    if not parts:
        return 0.0
    from pycocotools import mask as coco_mask

    from condinst.masks.polygon_rle import polygons_to_rle
    from condinst.masks.rle import encode_crop

    height, width = mask.shape
    drawn = polygons_to_rle([part.ravel() for part in parts], height, width)
    whole = encode_crop(Crop(mask, 0, 0), (height, width))
    return float(coco_mask.iou([drawn], [whole], [0])[0, 0])


def join_parts(parts: list[np.ndarray]) -> np.ndarray:
    """Join (K, 2) polygons to one that goes from part to part on lines there and back.

    For formats with one polygon for each object. The lines have no width: a program that fills the
    polygon's area draws the parts alone.
    """
    joined = parts[0]
    for part in parts[1:]:
        here = _nearest(joined, part.mean(axis=0))
        turned = np.roll(part, -_nearest(part, joined[here]), axis=0)
        joined = np.concatenate([joined[: here + 1], turned, turned[:1], joined[here:]])
    return joined


def _nearest(points: np.ndarray, place: np.ndarray) -> int:
    return int(((points - place) ** 2).sum(axis=1).argmin())
