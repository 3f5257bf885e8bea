"""Outlines that cross themselves so often that their crossings cannot be listed.

Points in a random order, as some exports give them, cross a number of times that grows with the
square of the points: 100,000 of them a thousand million times, which shapely would all keep.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["is_tangled"]

_MAX_CROSSINGS = 20_000  # shapely's make_valid takes a second for these


def is_tangled(points: np.ndarray) -> bool:
    """Whether an outline of (P, 2) points may cross itself over 20,000 times.

    Two curves of length L that lie anyhow in an area A cross L * L / (pi * A) times on average
    (the formula of Poincare); a circle has 3 by this count, and outlines of real objects below 100.
    """
    if len(points) ** 2 < 2 * _MAX_CROSSINGS:
        return False
    length = float(np.hypot(*(points - np.roll(points, 1, axis=0)).T).sum())
    area = float(np.ptp(points, axis=0).prod())
    return length**2 > _MAX_CROSSINGS * math.pi * max(area, length)
