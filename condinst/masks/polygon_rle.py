"""Polygons -> run lengths, to the pixel as pycocotools draws them, whatever their numbers are.

pycocotools walks along each edge in steps of a fifth of a pixel and keeps them all, so that one
coordinate of 1e8 takes 4 GB, one of NaN ends the process, and a million points across a large
image take more memory than any machine has. Everything here that draws polygons comes through
:func:`polygons_to_rle`: what pycocotools draws in little memory it draws, and for the rest the
borders of the runs are computed, of the image's columns only.

What pycocotools does: points are rounded to fifths of a pixel, and an edge that passes the middle
of a column turns everything below there, in the columns' order, from background to mask or back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

__all__ = ["is_quick_to_draw", "polygons_to_codes", "polygons_to_rle"]

_SCALE = 5  # steps in a pixel
_MAX_STEPS = 2_000_000  # of pycocotools along one polygon: 50 MB
_FAR = 1e12  # pixels; what lies further out is drawn as if it were there
_BATCH = 1_000_000  # crossings of edges and columns that are computed together
_MAX_PIXELS = 1 << 30  # OpenCV reads no larger image


def polygons_to_rle(
    polygons: Sequence[Sequence[float] | np.ndarray], height: int, width: int
) -> dict[str, Any]:
    """The pixels of any of ``polygons`` in an image of ``height`` x ``width``, as compressed RLE.

    The same code as pycocotools' ``merge(frPyObjects(polygons, height, width))``; memory grows with
    the image and the number of points, not with their coordinates.

    Args:
        polygons: x1, y1, x2, y2, ... each, in pixels; three points or more.

    Raises:
        ValueError: worded to follow the annotation's name: there is no polygon, one is no list of
            finite numbers of three points, or no image is so large.
    """
    codes = polygons_to_codes(polygons, height, width)
    return codes[0] if len(codes) == 1 else coco_mask.merge(codes)


def polygons_to_codes(
    polygons: Sequence[Sequence[float] | np.ndarray], height: int, width: int
) -> list[dict[str, Any]]:
    """The same, a code for each polygon."""
    if min(height, width) < 1 or height * width > _MAX_PIXELS:
        raise ValueError(
            f"expected an image of 1 to {_MAX_PIXELS} pixels to draw in, got {width} x {height}"
        )
    if not len(polygons):
        raise ValueError("expected polygons, got none")
    arrays = [_as_array(polygon) for polygon in polygons]
    if is_quick_to_draw(arrays):
        return coco_mask.frPyObjects(arrays, height, width)
    return [_to_code(array, height, width) for array in arrays]


def is_quick_to_draw(polygons: Sequence[np.ndarray]) -> bool:
    """Whether pycocotools draws each of these without much memory; False for NaN."""
    if not polygons:
        return True
    numbers = np.concatenate(polygons) if len(polygons) > 1 else polygons[0]
    span = float(numbers.max()) - float(numbers.min())
    if span * _SCALE * numbers.size <= _MAX_STEPS:  # a bound of all together, usually enough
        return True
    return all(_steps(polygon) <= _MAX_STEPS for polygon in polygons)


def _steps(polygon: np.ndarray) -> float:
    """Of pycocotools along the outline, about."""
    points = polygon.reshape(-1, 2)
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum() * _SCALE
        return float(steps + len(points) + np.abs(points).max() / _FAR * _MAX_STEPS)


def _as_array(polygon: Sequence[float] | np.ndarray) -> np.ndarray:
    try:
        array = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if array.ndim != 1 or array.size < 6 or array.size % 2:
        raise ValueError("expected polygons of three points or more, x1, y1, x2, y2, ...")
    if not np.isfinite(array).all():
        raise ValueError("a polygon has coordinates that are not finite numbers")
    return array


def _to_code(polygon: np.ndarray, height: int, width: int) -> dict[str, Any]:
    """One polygon, computed from the crossings of its edges with the columns' middles."""
    if _steps(polygon) <= _MAX_STEPS:
        return coco_mask.frPyObjects([polygon], height, width)[0]
    points = np.trunc(np.clip(polygon.reshape(-1, 2), -_FAR, _FAR) * _SCALE + 0.5)
    starts, stops = points, np.roll(points, -1, axis=0)
    dx, dy = np.abs(stops - starts).T
    swap = np.where(dx >= dy, starts[:, 0] > stops[:, 0], starts[:, 1] > stops[:, 1])[:, None]
    starts, stops = np.where(swap, stops, starts), np.where(swap, starts, stops)
    # the columns whose middle an edge passes: from step 5 c + 2 to step 5 c + 3
    low, high = np.minimum(starts[:, 0], stops[:, 0]), np.maximum(starts[:, 0], stops[:, 0])
    first = np.maximum(np.ceil((low - 2) / _SCALE), 0).astype(np.int64)
    after = np.minimum(np.floor((high - 3) / _SCALE) + 1, width).astype(np.int64)
    counts = np.maximum(after - first, 0)
    edges = np.flatnonzero(counts)
    turns = np.zeros(0, np.int64)
    ends = np.cumsum(counts[edges])
    done = 0
    while done < len(edges):  # one batch has a million crossings and one edge more
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
    """Where edges turn background to mask, as numbers of pixels down the columns."""
    edge = np.repeat(np.arange(len(counts)), counts)
    column = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    x1, y1 = starts[edge].T
    x2, y2 = stops[edge].T
    dx, dy = np.abs(x2 - x1), np.abs(y2 - y1)
    flat = dx >= dy
    before = column * _SCALE + 2.0  # the step on this side of the middle, in x
    slope = np.where(flat, y2 - y1, x2 - x1) / np.maximum(dx, dy)
    step = before - x1
    at, following = (np.trunc(y1 + slope * s + 0.5) for s in (step, step + 1))
    steep = y1 + _last_step(x1, slope, before, dy)
    y = (np.where(flat, np.minimum(at, following), steep) + 0.5) / _SCALE - 0.5
    return column * height + np.ceil(np.clip(y, 0, height)).astype(np.int64)


def _last_step(x1: np.ndarray, slope: np.ndarray, before: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Of a steep edge, the last step in y before it passes from one side of the middle."""
    right = slope > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        guess = np.clip(np.floor((before + 0.5 - x1) / slope), 0, dy)
    guess = np.nan_to_num(guess)
    last = np.zeros_like(guess)
    for offset in range(-2, 3):  # the quotient is rounded, the steps are exact
        step = guess + offset
        x = np.trunc(x1 + slope * step + 0.5)
        on_first_side = np.where(right, x <= before, x > before)
        last = np.where(on_first_side & (step >= 0) & (step <= dy), step, last)
    return last


def _odd_ones(numbers: np.ndarray) -> np.ndarray:
    """The numbers that stand there an odd number of times, ascending."""
    values, counts = np.unique(numbers, return_counts=True)
    return values[counts % 2 == 1]
