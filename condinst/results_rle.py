"""Masks to COCO's compressed run-length codes, with numpy alone.

:mod:`condinst.rle` reads codes; it needs pycocotools, which a predictor without PyTorch does not.
"""

from __future__ import annotations

import numpy as np

__all__ = ["encode_crop"]


def encode_crop(mask: np.ndarray, x: int, y: int, image_size: tuple[int, int]) -> dict:
    """The code of a mask given by the part that holds its pixels.

    Args:
        mask: (h, w) bool.
        x, y: where its top left pixel is in the picture.
        image_size: height and width of the picture.

    Returns:
        ``size`` [H, W] and ``counts``, a string.
    """
    height, width = image_size
    # Runs go down the columns. A row of background above and below ends them at the crop's edge.
    columns = np.pad(mask.T, ((0, 0), (1, 1))).ravel()
    changes = np.flatnonzero(columns[1:] != columns[:-1])
    column, row = np.divmod(changes, mask.shape[0] + 2)
    places = (column + x) * height + row + y
    # a run to the bottom of the picture goes on where the next column begins with another
    joined = np.flatnonzero(places[1:-1:2] == places[2::2]) * 2 + 1
    places = np.delete(places, np.concatenate([joined, joined + 1]))
    counts = np.diff(places, prepend=0, append=height * width)
    if len(counts) > 1 and counts[-1] == 0:  # the last run of the mask goes to the picture's end
        counts = counts[:-1]
    return {"size": [height, width], "counts": _compress(counts)}


def _compress(counts: np.ndarray) -> str:
    """COCO's text for run lengths: base 32, least significant digit first.

    From the fourth number on it is the difference from the number two places before. Bit 5 of a
    character (less 48) says that more digits follow, bit 4 of the last one is the sign.
    """
    rest = counts.astype(np.int64)
    rest[3:] -= counts[1:-2]
    digits = np.zeros((len(rest), 7), np.uint8)  # 35 bits hold every picture
    used = np.zeros(digits.shape, bool)
    going_on = np.ones(len(rest), bool)
    for place in range(digits.shape[1]):
        digit = rest & 31
        rest = rest >> 5
        used[:, place] = going_on
        going_on = going_on & (rest != np.where(digit & 16, -1, 0))
        digits[:, place] = digit + 32 * going_on + 48
    return digits[used].tobytes().decode("ascii")
