"""Make the geometric methods of mmdet's mask classes agree with what happens to the image.

Upstream bugs (mmdet 3.3.0): ``PolygonMasks.rotate`` turns polygons about the image's corner, the
image is turned about its center (mmdetection #11758). ``rotate``, ``shear`` and ``translate`` move
every point that leaves the image onto its border, which bends the outline. ``crop`` loses parts of
polygons that cross themselves, and fills holes that are joined to their outline. ``expand`` does
not exist. The three methods of ``BitmapMasks`` pass all masks to OpenCV as channels of one image,
and OpenCV 5 takes 128 channels at most. Delete when mmdet fixes them.

Coordinates: a pixel with index x covers x to x + 1 in the coordinates of a polygon. OpenCV turns
and shears indices, so that the polygons are moved by half a pixel before and after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

_CHANNELS = 64  # masks that are passed to OpenCV at once


def apply(upstream: str) -> None:
    """Replace the methods of both classes."""
    module: Any = sys.modules[upstream]
    polygons, bitmaps = module.PolygonMasks, module.BitmapMasks
    polygons.rotate, polygons.shear, polygons.translate = _rotate, _shear, _translate
    polygons.expand, polygons.crop = _expand, _crop
    for name in ("rotate", "shear", "translate"):
        setattr(bitmaps, name, _in_parts(getattr(bitmaps, name)))


def _rotate(
    self: Any,
    out_shape: tuple[int, int],
    angle: float,
    center: tuple[float, float] | None = None,
    scale: float = 1.0,
    border_value: int = 0,
    interpolation: str = "bilinear",
) -> Any:
    """Rotate clockwise about a pixel, by default the center of the image."""
    if center is None:
        center = ((self.width - 1) * 0.5, (self.height - 1) * 0.5)
    return _transform(self, cv2.getRotationMatrix2D(center, -angle, scale), out_shape)


def _shear(
    self: Any,
    out_shape: tuple[int, int],
    magnitude: float,
    direction: str = "horizontal",
    border_value: int = 0,
    interpolation: str = "bilinear",
) -> Any:
    across, down = (magnitude, 0) if direction == "horizontal" else (0, magnitude)
    return _transform(self, np.array([[1, across, 0], [down, 1, 0]], float), out_shape)


def _translate(
    self: Any,
    out_shape: tuple[int, int],
    offset: float,
    direction: str = "horizontal",
    border_value: int | None = None,
    interpolation: str | None = None,
) -> Any:
    x, y = (offset, 0) if direction == "horizontal" else (0, offset)
    return _transform(self, np.array([[1, 0, x], [0, 1, y]], float), out_shape)


def _expand(self: Any, expanded_h: int, expanded_w: int, top: int, left: int) -> Any:
    matrix = np.array([[1, 0, left], [0, 1, top]], float)
    return _transform(self, matrix, (expanded_h, expanded_w))


def _crop(self: Any, bbox: np.ndarray) -> Any:
    """Cut out a box, x1, y1, x2, y2 in pixels; the result is in its coordinates."""
    x1, x2 = (float(x) for x in np.clip(bbox[0::2], 0, self.width))
    y1, y2 = (float(y) for y in np.clip(bbox[1::2], 0, self.height))
    matrix = np.array([[1, 0, -x1], [0, 1, -y1]], float)
    return _transform(self, matrix, (max(int(y2 - y1), 1), max(int(x2 - x1), 1)))


def _transform(masks: Any, matrix: np.ndarray, out_shape: tuple[int, int]) -> Any:
    """Apply an affine (2, 3) matrix of pixel indices, and cut at the border of the new image."""
    linear = matrix[:, :2]
    shift = matrix[:, 2] + 0.5 - linear.sum(axis=1) * 0.5
    height, width = out_shape
    moved = []
    for polygons in masks.masks:
        outlines = [np.asarray(p, float).reshape(-1, 2) @ linear.T + shift for p in polygons]
        parts = [_clip(points, width, height) for points in outlines]
        # mmdet's placeholder keeps the masks as many as the boxes
        moved.append([part.ravel() for part in parts if len(part) > 2] or [np.zeros(6)])
    return type(masks)(moved, height, width)


def _clip(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """Cut an outline of (P, 2) points at the border of the image (Sutherland and Hodgman, 1974).

    What remains keeps its filling, also where the outline crosses itself or has holes that are
    joined to it by a cut.
    """
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        inside = sign * (points[:, axis] - limit)  # (P,) distance to the border
        if not len(points) or inside.min() >= 0:
            continue
        following, after = np.roll(points, -1, axis=0), np.roll(inside, -1)
        crosses = (inside >= 0) != (after >= 0)
        fraction = inside / np.where(crosses, inside - after, 1)
        crossings = points + fraction[:, None] * (following - points)
        crossings[:, axis] = limit
        # each edge gives its first point if that is inside, then its crossing
        given = np.stack([points, crossings], axis=1).reshape(-1, 2)
        points = given[np.stack([inside >= 0, crosses], axis=1).ravel()]
    return points


def _in_parts(method: Callable) -> Callable:
    """Let a method of ``BitmapMasks`` work on a few masks at a time."""

    def in_parts(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(self) <= _CHANNELS:
            return method(self, *args, **kwargs)
        parts = [
            method(self[start : start + _CHANNELS], *args, **kwargs)
            for start in range(0, len(self), _CHANNELS)
        ]
        return parts[0].cat(parts)

    in_parts.__doc__ = method.__doc__
    return in_parts
