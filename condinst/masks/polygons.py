"""Masks -> polygons along the pixels' edges, with numpy alone.

The corners of a mask's outline, sorted row by row, pair up into its horizontal edges; sorted column
by column, into its vertical ones. Following the two in turn gives the rings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["trace"]


@dataclass
class _Ring:
    """A closed outline, from the leftmost of its topmost corners on, the mask on its right hand."""

    points: np.ndarray  # (K, 2) xy
    is_hole: bool


def trace(mask: np.ndarray, x: int = 0, y: int = 0, tolerance: float = 0.0) -> list[np.ndarray]:
    """The parts of a mask, each as one ring of (K, 2) points, xy, float32.

    Pixels that touch at a corner only are two parts. A hole is joined to its part's outline by a
    vertical cut of no width; the ring runs along it twice.

    Args:
        mask: (h, w) bool.
        x, y: where its top left pixel is in the image.
        tolerance: how far the rings may leave the pixels' edges, in pixels.
    """
    rings = _rings(mask)
    outlines = [ring for ring in rings if not ring.is_hole]
    frames = np.array([[*o.points.min(axis=0), *o.points.max(axis=0)] for o in outlines])
    holes: list[list[np.ndarray]] = [[] for _ in outlines]
    for ring in sorted((ring for ring in rings if ring.is_hole), key=lambda r: r.points[0, 1]):
        holes[_owner(ring, outlines, frames)].append(ring.points)
    parts = []
    for outline, inside in zip(outlines, holes, strict=True):
        part = _simplify(outline.points, tolerance)
        for hole in inside:  # top to bottom: what is above a hole is joined already
            part = _join(part, _simplify(hole, tolerance))
        parts.append((part + [x, y]).astype(np.float32))
    return parts


def _rings(mask: np.ndarray) -> list[_Ring]:
    framed = np.pad(mask, 1).astype(np.uint8)
    top_left, top_right = framed[:-1, :-1], framed[:-1, 1:]
    low_left, low_right = framed[1:, :-1], framed[1:, 1:]
    # A lattice point is a corner where both an edge to a side and one up or down end.
    single = (top_left ^ top_right ^ low_left ^ low_right).astype(bool)
    double = (top_left == low_right) & (top_right == low_left) & (top_left != top_right)
    ys, xs = np.nonzero(single | double)
    repeats = 1 + double[ys, xs]
    ys, xs = np.repeat(ys, repeats), np.repeat(xs, repeats)
    # Where pixels touch at a corner, two corners lie there. Both orders take the first copy for the
    # edge to the left and that up, unless the pixels are top right and low left: then it is the
    # second that goes up, so that each corner goes around one pixel.
    second = np.zeros(len(xs), int)
    second[1:] = (xs[1:] == xs[:-1]) & (ys[1:] == ys[:-1])
    swapped = double[ys, xs] & top_right[ys, xs].astype(bool)
    beside = _pairs(np.lexsort((second, xs, ys)))
    above = _pairs(np.lexsort((second ^ swapped, ys, xs)))
    points = np.stack([xs, ys], axis=1)
    rings = []
    for ring in _cycles(beside, above):
        x, y = points[ring[0]]
        is_hole = not mask[y, x]  # the pixel to the lower right of the first corner
        if is_hole:
            ring = ring[:1] + ring[:0:-1]
        rings.append(_Ring(points[ring].astype(float), is_hole))
    return rings


def _pairs(order: np.ndarray) -> list[int]:
    """Which corner each one has its edge with, given their order along the lines."""
    partner = np.empty(len(order), int)
    partner[order[0::2]] = order[1::2]
    partner[order[1::2]] = order[0::2]
    return partner.tolist()


def _cycles(beside: list[int], above: list[int]) -> list[list[int]]:
    """Rings of corners, starting from the first corner (topmost, then leftmost) of each."""
    seen = [False] * len(beside)
    cycles = []
    for start in range(len(beside)):
        if seen[start]:
            continue
        ring, corner = [], start
        while not seen[corner]:
            ring += [corner, beside[corner]]
            seen[corner] = seen[beside[corner]] = True
            corner = above[beside[corner]]
        cycles.append(ring)
    return cycles


def _owner(hole: _Ring, outlines: list[_Ring], frames: np.ndarray) -> int:
    """The smallest outline around the pixel above a hole's first corner.

    ``frames``: (M, 4) xyxy around each outline; most need no closer look.
    """
    x, y = hole.points[0, 0] + 0.5, hole.points[0, 1] - 0.5
    around = [
        i for i in np.flatnonzero(_inside(frames, x, y)) if _contains(outlines[i].points, x, y)
    ]
    return int(min(around, key=lambda i: np.prod(frames[i, 2:] - frames[i, :2])))


def _inside(frames: np.ndarray, x: float, y: float) -> np.ndarray:
    left, top, right, bottom = frames.T
    return (left < x) & (x < right) & (top < y) & (y < bottom)


def _contains(ring: np.ndarray, x: float, y: float) -> bool:
    """Whether an odd number of the ring's vertical edges is to the left of a pixel's center."""
    following = np.roll(ring, -1, axis=0)
    crossed = (ring[:, 1] > y) != (following[:, 1] > y)
    return bool(np.count_nonzero(crossed & (ring[:, 0] < x)) % 2)


def _join(ring: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Put a hole into a ring, by a cut straight up from the hole's first corner."""
    x, y = hole[0]
    following = np.roll(ring, -1, axis=0)
    left, right = np.minimum(ring[:, 0], following[:, 0]), np.maximum(ring[:, 0], following[:, 0])
    spanning = np.flatnonzero((left <= x) & (x < right))
    start, end = ring[spanning], following[spanning]
    share = (x - start[:, 0]) / (end[:, 0] - start[:, 0])
    heights = start[:, 1] + share * (end[:, 1] - start[:, 1])
    above = np.flatnonzero(heights <= y)
    if len(above):
        nearest = above[np.argmax(heights[above])]
        at, door = spanning[nearest] + 1, np.array([[x, heights[nearest]]])
    else:  # simplified, the hole sticks out of the outline
        at = int(np.argmin(((ring - hole[0]) ** 2).sum(axis=1))) + 1
        door = ring[at - 1 : at]
    return np.concatenate([ring[:at], door, hole, hole[:1], door, ring[at:]])


def _simplify(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """Leave out points of a ring that are nearer than that to what remains (Douglas-Peucker)."""
    if tolerance <= 0 or len(ring) < 4:
        return ring
    closed = np.concatenate([ring, ring[:1]])
    far = int(np.argmax(((closed - closed[0]) ** 2).sum(axis=1)))
    kept = np.zeros(len(closed), bool)
    kept[[0, far, -1]] = True
    spans = [(0, far), (far, len(ring))]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        worst = int(np.argmax(distances))
        if distances[worst] > tolerance:
            middle = first + 1 + worst
            kept[middle] = True
            spans += [(first, middle), (middle, last)]
    # a ring needs an area
    return closed[:-1][kept[:-1]] if np.count_nonzero(kept[:-1]) > 2 else ring


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From each point to the segment between two."""
    way = end - start
    length = (way**2).sum()
    share = np.clip((points - start) @ way / length, 0, 1) if length else np.zeros(len(points))
    return np.sqrt(((points - start - share[:, None] * way) ** 2).sum(axis=1))
