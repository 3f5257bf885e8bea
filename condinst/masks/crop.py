"""Crop, the form of a mask in most of the package: the part that holds its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Crop", "crop_of_runs"]


class Crop(NamedTuple):
    """The part of a mask around its pixels; everything outside is background.

    Attributes:
        mask: (h, w) bool, a numpy array, or a tensor in the output of the model; (0, 0) for an
            empty mask.
        x, y: the crop's upper left corner in the image, in pixels.
    """

    mask: Any
    x: int
    y: int

    @classmethod
    def of_box(cls, box: Sequence[float], height: int, width: int) -> Crop:
        """Fill a box, x1, y1, x2, y2 in pixels: every pixel of the image that it touches."""
        x1, y1 = (max(math.floor(v), 0) for v in box[:2])
        x2, y2 = (min(math.ceil(v), side) for v, side in zip(box[2:], (width, height), strict=True))
        if x1 >= x2 or y1 >= y2:
            return cls(np.zeros((0, 0), bool), 0, 0)
        return cls(np.ones((y2 - y1, x2 - x1), bool), x1, y1)

    @classmethod
    def of(cls, mask: np.ndarray) -> Crop:
        """Crop a whole (H, W) mask to its pixels; an empty mask gives a crop of no pixels."""
        mask = np.asarray(mask).astype(bool)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return cls(np.zeros((0, 0), bool), 0, 0)
        y, x = int(rows[0]), int(columns[0])
        return cls(mask[y : rows[-1] + 1, x : columns[-1] + 1], x, y)


def crop_of_runs(runs: np.ndarray, height: int) -> Crop:
    """Draw the crop of a mask from its run lengths.

    Args:
        runs: int64 run lengths down the columns, background first; they cover the image.
        height: height of the image.
    """
    ends = np.cumsum(runs)
    starts, ends = ends[0::2][: len(runs) // 2], ends[1::2]
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    if not len(starts):
        return Crop(np.zeros((0, 0), bool), 0, 0)
    first, last = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    borders = np.stack([starts, ends], axis=1).ravel()
    # draw only the columns from the first to the last covered one
    lengths = np.diff(borders, prepend=first * height, append=last * height)
    covered = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(last - first, height)
    rows = np.flatnonzero(covered.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Crop(np.ascontiguousarray(covered[:, top:bottom].T), first, top)
