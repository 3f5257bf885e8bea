"""Two images of one size with the same objects, as outlines and as masks."""

import numpy as np

H, W = 60, 100
SQUARE = [[10, 10], [30, 10], [30, 25], [10, 25]]
OTHER = [[50, 20], [80, 20], [80, 50], [50, 50]]
HOLE = [[60, 30], [70, 30], [70, 40], [60, 40]]


def boxed(x1, y1, x2, y2):
    mask = np.zeros((H, W), bool)
    mask[y1:y2, x1:x2] = True
    return mask


FIRST, SECOND = boxed(10, 10, 30, 25), boxed(50, 20, 80, 50)
WITH_HOLE = SECOND & ~boxed(60, 30, 70, 40)


def check(all_objects, imported, expected):
    """Compare every image with [(class, mask)], in any order."""
    for found in all_objects(imported).values():
        got = sorted((label, mask.tobytes()) for label, _, mask in found)
        assert got == sorted((label, mask.tobytes()) for label, mask in expected)
