"""Detect outlines that cross themselves too often for shapely.

Some exports list the points of an outline in random order. Such an outline crosses itself a number
of times that grows with the square of the number of points: a billion times for 100,000 points.
shapely would store every crossing.
"""

from __future__ import annotations

import math

import numpy as np
import shapely

__all__ = ["has_many_crossings"]

_MAX_CROSSINGS = 1000  # of almost parallel edges, for which make_valid takes 0.1 s


def has_many_crossings(points: np.ndarray) -> bool:
    """Tell whether an outline of (P, 2) points may cross itself more than 1,000 times.

    The function estimates, it counts no crossings: two curves of length L, placed at random in an
    area A, cross L * L / (pi * A) times on average (Poincare's formula). By this estimate a circle
    has 3 crossings, and outlines of real objects have fewer than 100.
    """
    if len(points) ** 2 < 2 * _MAX_CROSSINGS:
        return False
    length = float(np.hypot(*(points - np.roll(points, 1, axis=0)).T).sum())
    area = float(np.ptp(points, axis=0).prod())
    if length**2 <= _MAX_CROSSINGS * math.pi * max(area, length):
        return False
    # a jagged outline is long too; the look for a first crossing is quick
    return not shapely.is_valid(shapely.polygons(points))
