"""Tell whether masks have the background where the objects should be."""

from __future__ import annotations

import numpy as np

__all__ = ["MOST_INVERTED", "inversion_warning", "may_be_inverted", "seems_inverted"]

MOST_INVERTED = 2 / 3  # of a dataset's masks; with more, all are
_COMPACT = 0.9  # the part of its convex hull that an object fills
_NET = 0.6  # what a net fills at most
_SMALLEST = 9  # pixels of a piece that has a shape
_MOST_PIECES = 200  # that are looked at


def seems_inverted(objects: np.ndarray) -> bool:
    """Tell whether the background of a mask looks like its objects.

    What should be objects then covers most pixels and most of the border. Most of the rest does not
    reach the border, or one piece has most of the pixels and all corners are covered. An object
    that fills a crop leaves a rest along the border; thin lines that part cells reach the border,
    and no cell has most of the pixels.

    Where most objects reach the border, their shape tells: the rest is in three or more compact
    pieces, and one piece around them, which is not compact, has most of the other pixels.

    Args:
        objects: (H, W) bool, neither all True nor all False.
    """
    import cv2

    if objects.mean() <= 0.5:
        return False
    if _is_around_pieces(objects, _COMPACT):
        return True
    edge = np.zeros(objects.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    if objects[edge].mean() <= 0.5:
        return False
    if objects[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        _, _, sizes, _ = cv2.connectedComponentsWithStats(objects.astype(np.uint8))
        if 2 * sizes[1:, cv2.CC_STAT_AREA].max() > objects.sum():
            return True
    _, pieces = cv2.connectedComponents((~objects).astype(np.uint8))
    at_edge = np.isin(pieces, np.unique(pieces[edge & ~objects])) & ~objects
    return bool(2 * at_edge.sum() < (~objects).sum())


def may_be_inverted(objects: np.ndarray) -> bool:
    """Tell whether a mask that :func:`seems_inverted` lets pass may still be inverted.

    Objects that fill most pixels and most of the border look like a background with one or two
    objects at the border; a net of vessels or membranes looks like the background of crowded cells.
    """
    if objects.mean() <= 0.5:
        return _is_around_pieces(objects, _NET)
    edge = np.concatenate([objects[0], objects[-1], objects[1:-1, 0], objects[1:-1, -1]])
    return bool(edge.mean() > 0.5)


def inversion_warning(number: int, looked_at: int) -> str | None:
    """Return a warning where most masks may be inverted; else None."""
    if number <= MOST_INVERTED * looked_at:
        return None
    return (
        f"Warning: {number} of {looked_at} masks may be inverted: their objects fill most pixels "
        "and most of the border, or are one net around compact pieces, and the files cannot tell. "
        "Look at them (condinst browse); if the background has a value other than 0, write 0."
    )


def _is_around_pieces(objects: np.ndarray, most: float) -> bool:
    """Tell whether one piece that fills less than ``most`` of its hull is around compact ones."""
    import cv2

    number, pieces, sizes, _ = cv2.connectedComponentsWithStats((~objects).astype(np.uint8))
    areas = sizes[:, cv2.CC_STAT_AREA]
    large = [i for i in range(1, number) if areas[i] >= _SMALLEST]
    if len(large) < 3:
        return False
    large = sorted(large, key=lambda i: -areas[i])[:_MOST_PIECES]
    fills = [_fill(pieces, i, sizes[i]) for i in large]
    if np.average(fills, weights=areas[large]) < _COMPACT:
        return False
    _, around, stats, _ = cv2.connectedComponentsWithStats(objects.astype(np.uint8))
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    if 2 * stats[largest, cv2.CC_STAT_AREA] <= objects.sum():
        return False
    return _fill(around, largest, stats[largest]) < most


def _fill(pieces: np.ndarray, number: int, stats: np.ndarray) -> float:
    """Return the part of its convex hull that a piece fills, both in pixels."""
    import cv2

    x, y, width, height, area = stats[:5].tolist()
    piece = (pieces[y : y + height, x : x + width] == number).astype(np.uint8)
    contours, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.fillConvexPoly(np.zeros_like(piece), cv2.convexHull(np.concatenate(contours)), 1)
    return area / max(int(hull.sum()), 1)
