"""Crop, the form of a mask in most of the package: the part that holds its pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Crop"]


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
    def of(cls, mask: np.ndarray) -> Crop:
        """Crop a whole (H, W) mask to its pixels; an empty mask gives a crop of no pixels."""
        mask = np.asarray(mask).astype(bool)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return cls(np.zeros((0, 0), bool), 0, 0)
        y, x = int(rows[0]), int(columns[0])
        return cls(mask[y : rows[-1] + 1, x : columns[-1] + 1], x, y)
