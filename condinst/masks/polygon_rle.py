"""Polygons to RLE, to the pixel as pycocotools draws them, safe for any coordinates.

pycocotools walks along each edge in steps of a fifth of a pixel and stores every step. So one
coordinate of 1e8 takes 4 GB, one of NaN ends the process, and a million points across a large image
take more memory than any machine has. All code of this package that draws polygons calls
:func:`polygons_to_rle`. It uses pycocotools where that takes little memory; otherwise it computes
the borders of the runs, only in the columns of the image.

How pycocotools draws: it rounds points to fifths of a pixel. Where an edge passes the middle of a
column, all following pixels, in the order of the columns, change from background to mask or back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

__all__ = ["is_quick_to_draw", "polygons_to_rles", "polygons_to_rle"]

_SCALE = 5  # steps in a pixel
_MAX_STEPS = 2_000_000  # most steps of pycocotools along one polygon: 50 MB
_FAR = 1e12  # pixels; coordinates further out are clipped to it
_BATCH = 1_000_000  # crossings of edges and columns that are computed at once
_MAX_PIXELS = 1 << 30  # OpenCV reads no larger image


def polygons_to_rle(
    polygons: Sequence[Sequence[float] | np.ndarray], height: int, width: int
) -> dict[str, Any]:
    """Draw the union of polygons in an image of ``height`` x ``width``, as compressed RLE.

    The RLE equals that of pycocotools' ``merge(frPyObjects(polygons, height, width))``. Memory
    grows with the image and the number of points, not with their coordinates.

    Args:
        polygons: x1, y1, x2, y2, ... of each polygon, in pixels; three points or more.
        height, width: size of the image.

    Returns:
        ``size`` [height, width] and ``counts``, bytes.

    Raises:
        ValueError: there is no polygon, a polygon is not a list of finite numbers for three points
            or more, or the size is not that of an image. The message is worded to follow the
            annotation's name.
    """
    rles = polygons_to_rles(polygons, height, width)
    return rles[0] if len(rles) == 1 else coco_mask.merge(rles)


def polygons_to_rles(
    polygons: Sequence[Sequence[float] | np.ndarray], height: int, width: int
) -> list[dict[str, Any]]:
    """Draw each polygon as an RLE of its own; see :func:`polygons_to_rle`."""
    if min(height, width) < 1 or height * width > _MAX_PIXELS:
        raise ValueError(
            f"expected an image of 1 to {_MAX_PIXELS} pixels to draw in, got {width} x {height}"
        )
    if not len(polygons):
        raise ValueError("expected polygons, got none")
    arrays = [_as_array(polygon) for polygon in polygons]
    if is_quick_to_draw(arrays):
        return coco_mask.frPyObjects(arrays, height, width)
    return [_polygon_to_rle(array, height, width) for array in arrays]


def is_quick_to_draw(polygons: Sequence[np.ndarray]) -> bool:
    """Tell whether pycocotools draws each polygon in little memory; False for NaN."""
    if not polygons:
        return True
    numbers = np.concatenate(polygons) if len(polygons) > 1 else polygons[0]
    span = float(numbers.max()) - float(numbers.min())
    # an upper bound for all polygons together, which usually decides
    if span * _SCALE * numbers.size <= _MAX_STEPS:
        return True
    return all(_steps(polygon) <= _MAX_STEPS for polygon in polygons)


def _steps(polygon: np.ndarray) -> float:
    """Estimate the number of steps of pycocotools along the outline."""
    points = polygon.reshape(-1, 2)
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum() * _SCALE
        return float(steps + len(points) + np.abs(points).max() / _FAR * _MAX_STEPS)


def _as_array(polygon: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the coordinates as float64, checked."""
    try:
        array = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if array.ndim != 1 or array.size < 6 or array.size % 2:
        raise ValueError("expected polygons of three points or more, x1, y1, x2, y2, ...")
    if not np.isfinite(array).all():
        raise ValueError("a polygon has coordinates that are not finite numbers")
    return array


def _polygon_to_rle(polygon: np.ndarray, height: int, width: int) -> dict[str, Any]:
    """Draw one polygon from the crossings of its edges with the middles of columns."""
    if _steps(polygon) <= _MAX_STEPS:
        return coco_mask.frPyObjects([polygon], height, width)[0]
    # (P, 2) in fifths of a pixel, rounded as pycocotools does
    points = np.trunc(np.clip(polygon.reshape(-1, 2), -_FAR, _FAR) * _SCALE + 0.5)
    starts, stops = points, np.roll(points, -1, axis=0)
    dx, dy = np.abs(stops - starts).T
    # pycocotools walks an edge from its smaller x, a steep edge from its smaller y
    swap = np.where(dx >= dy, starts[:, 0] > stops[:, 0], starts[:, 1] > stops[:, 1])[:, None]
    starts, stops = np.where(swap, stops, starts), np.where(swap, starts, stops)
    # the columns c whose middle an edge passes: from step 5 c + 2 to step 5 c + 3
    low, high = np.minimum(starts[:, 0], stops[:, 0]), np.maximum(starts[:, 0], stops[:, 0])
    first = np.maximum(np.ceil((low - 2) / _SCALE), 0).astype(np.int64)
    after = np.minimum(np.floor((high - 3) / _SCALE) + 1, width).astype(np.int64)
    counts = np.maximum(after - first, 0)
    edges = np.flatnonzero(counts)
    turns = np.zeros(0, np.int64)
    ends = np.cumsum(counts[edges])
    done = 0
    while done < len(edges):  # a batch has at most a million crossings, or a single edge
        limit = (ends[done - 1] if done else 0) + _BATCH
        upto = max(int(np.searchsorted(ends, limit)), done + 1)
        part = edges[done:upto]
        found = _crossings(starts[part], stops[part], first[part], counts[part], height)
        turns = _odd_ones(np.concatenate([turns, found]))
        done = upto
    runs = np.diff(turns[turns < height * width], prepend=0, append=height * width)
    size = {"size": [height, width], "counts": runs.tolist()}
    return coco_mask.frPyObjects(size, height, width)


def _crossings(
    starts: np.ndarray, stops: np.ndarray, first: np.ndarray, counts: np.ndarray, height: int
) -> np.ndarray:
    """Return where edges change background to mask or back, as pixel numbers down the columns."""
    edge = np.repeat(np.arange(len(counts)), counts)
    column = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    x1, y1 = starts[edge].T
    x2, y2 = stops[edge].T
    dx, dy = np.abs(x2 - x1), np.abs(y2 - y1)
    flat = dx >= dy
    before = column * _SCALE + 2.0  # x of the last step before the middle
    slope = np.where(flat, y2 - y1, x2 - x1) / np.maximum(dx, dy)
    step = before - x1
    at, following = (np.trunc(y1 + slope * s + 0.5) for s in (step, step + 1))
    steep = y1 + _last_step(x1, slope, before, dy)
    y = (np.where(flat, np.minimum(at, following), steep) + 0.5) / _SCALE - 0.5
    return column * height + np.ceil(np.clip(y, 0, height)).astype(np.int64)


def _last_step(x1: np.ndarray, slope: np.ndarray, before: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return the last step in y, along a steep edge, before it passes the middle of a column."""
    right = slope > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        guess = np.clip(np.floor((before + 0.5 - x1) / slope), 0, dy)
    guess = np.nan_to_num(guess)
    last = np.zeros_like(guess)
    for offset in range(-2, 3):  # the guess is rounded; the steps themselves are exact
        step = guess + offset
        x = np.trunc(x1 + slope * step + 0.5)
        on_first_side = np.where(right, x <= before, x > before)
        last = np.where(on_first_side & (step >= 0) & (step <= dy), step, last)
    return last


def _odd_ones(numbers: np.ndarray) -> np.ndarray:
    """Return the numbers that occur an odd number of times, ascending: two changes cancel out."""
    values, counts = np.unique(numbers, return_counts=True)
    return values[counts % 2 == 1]
