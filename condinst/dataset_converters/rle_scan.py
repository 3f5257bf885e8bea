"""Tell from which number the RLEs of a csv count the pixels of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["FirstNumber", "Scan", "first_number"]


@dataclass(frozen=True)
class Scan:
    """How the pixels of an image are numbered.

    Attributes:
        by_rows: along the rows; otherwise down the columns.
        first: the number of the first pixel, 0 or 1.
    """

    by_rows: bool
    first: int


@dataclass(frozen=True)
class FirstNumber:
    """The number of the first pixel, and a sentence that says by what it is known."""

    number: int
    sentence: str


def first_number(rles: Iterable[tuple[np.ndarray, tuple[int, int]]], by_rows: bool) -> FirstNumber:
    """Return the number of the first pixel, which all RLEs of a dataset share.

    A start of 0 tells it, and the last pixel of an image as well. Otherwise, a run that begins or
    ends at an edge of the image goes on in the next row or column if it is shifted by one pixel.

    Args:
        rles: (N, 2) starts, as written, and lengths; and the height and width of their image.
        by_rows: whether pixels are numbered along the rows.
    """
    zero = last = False
    crossing = np.zeros(2, np.int64)  # runs that go on in the next line, if the first is 0, or 1
    for runs, (height, width) in rles:
        if not len(runs):
            continue
        line = width if by_rows else height
        starts, lengths = runs.T
        zero |= bool(starts[0] == 0)
        last |= bool(starts[-1] + lengths[-1] == height * width + 1)
        short = lengths <= line
        for first in (0, 1):
            begin = starts[short] - first
            end = begin + lengths[short] - 1
            crossing[first] += int((begin // line != end // line).sum())
    number = 0 if zero else 1
    why = "as one starts at 0" if zero else "as one ends there" if last else ""
    if not why and crossing[0] != crossing[1]:
        number = int(crossing[1] < crossing[0])
        why = "by the runs at the edges of the images"
    if not why:
        why = "as usual (no run tells; if it is 0, the masks are one pixel off)"
    return FirstNumber(number, f"The first pixel has the number {number}, {why}.")
