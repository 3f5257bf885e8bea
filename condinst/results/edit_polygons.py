"""Masks as polygons for people who correct them: few points, and still the same mask."""

from __future__ import annotations

import numpy as np

from condinst.masks.crop import Crop
from condinst.masks.polygons import trace

__all__ = ["edit_polygons", "join_parts"]

_TOLERANCES = (1.0, 0.5, 0.25)  # pixels
_MIN_IOU = 0.98
_DECIMALS = 2  # of a pixel; corners are whole pixels except for those of cuts


def edit_polygons(crop: Crop) -> list[np.ndarray]:
    """Trace a mask as polygons with as few points as keep an IoU of 0.98 with it.

    The largest tolerance that keeps the IoU is taken: 1 pixel for most objects of 30 pixels and
    more, none for those of a few pixels. The IoU is that of pycocotools' drawing. A hole is joined
    to its part by a cut of no width.

    Returns:
        For each part, a (K, 2) array of xy in the image's pixels; none for a mask without pixels.
    """
    for tolerance in _TOLERANCES:
        parts = trace(crop.mask, tolerance=tolerance)
        if not parts or _iou(parts, crop.mask) >= _MIN_IOU:
            break
    else:
        parts = trace(crop.mask)
    return [np.round(part + [crop.x, crop.y], _DECIMALS) for part in parts]


def _iou(parts: list[np.ndarray], mask: np.ndarray) -> float:
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
