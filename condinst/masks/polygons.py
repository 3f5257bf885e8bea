"""Masks to polygons along the pixels' edges, with numpy alone.

The corners of a mask's outline, sorted row by row, pair up into its horizontal edges; sorted column
by column, they pair up into its vertical edges. Following the two kinds in turn gives the rings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["has_hole", "trace"]


@dataclass
class _Ring:
    """A closed outline that starts at its topmost, leftmost corner, with the mask on its right."""

    points: np.ndarray  # (K, 2) xy
    is_hole: bool


def trace(
    mask: np.ndarray,
    x: int = 0,
    y: int = 0,
    tolerance: float = 0.0,
    *,
    stairs: bool = True,
    least: float = 0.0,
) -> list[np.ndarray]:
    """Trace each part of a mask as one ring.

    Pixels that touch only at a corner belong to two parts. A hole is joined to its part's outline
    by a vertical cut of no width, along which the ring runs twice.

    Args:
        mask: (h, w) bool.
        x, y: place of the mask's top left pixel in the image.
        tolerance: largest distance of the rings from the pixels' edges, in pixels.
        stairs: whether rings go around each pixel; else through the middles of its edges, which
            makes straight lines of slanted outlines. The same pixels have their centers inside.
        least: parts and holes that enclose fewer pixels are left out.

    Returns:
        Per part, (K, 2) xy points, float32.
    """
    rings = [ring for ring in _rings(mask) if _area(ring.points) >= least]
    if not stairs:
        rings = [_Ring(_through_middles(ring.points), ring.is_hole) for ring in rings]
    outlines = [ring for ring in rings if not ring.is_hole]
    frames = np.array([[*o.points.min(axis=0), *o.points.max(axis=0)] for o in outlines])
    holes: list[list[np.ndarray]] = [[] for _ in outlines]
    for ring in sorted((ring for ring in rings if ring.is_hole), key=lambda r: r.points[0, 1]):
        holes[_owner(ring, outlines, frames)].append(ring.points)
    parts = []
    for outline, inside in zip(outlines, holes, strict=True):
        part = _simplify(outline.points, tolerance)
        for hole in inside:  # top to bottom: holes above this one are joined already
            part = _join(part, _simplify(hole, tolerance))
        parts.append((part + [x, y]).astype(np.float32))
    return parts


def has_hole(mask: np.ndarray, least: float = 0.0) -> bool:
    """Tell whether a part of an (h, w) mask has a hole that encloses at least so many pixels."""
    return any(ring.is_hole and _area(ring.points) >= least for ring in _rings(mask))


def _area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _rings(mask: np.ndarray) -> list[_Ring]:
    """Trace all outlines of a mask, outer ones and holes."""
    framed = np.pad(mask, 1).astype(np.uint8)
    top_left, top_right = framed[:-1, :-1], framed[:-1, 1:]
    low_left, low_right = framed[1:, :-1], framed[1:, 1:]
    # A lattice point is a corner if a horizontal and a vertical edge end there.
    single = (top_left ^ top_right ^ low_left ^ low_right).astype(bool)
    double = (top_left == low_right) & (top_right == low_left) & (top_left != top_right)
    ys, xs = np.nonzero(single | double)
    repeats = 1 + double[ys, xs]
    ys, xs = np.repeat(ys, repeats), np.repeat(xs, repeats)
    # Where two pixels touch only at a point, two corners lie there. In both orders the first copy
    # gets the edge to the left and the edge up. If the pixels are top right and low left, the
    # second copy gets the edge up instead, so that each corner goes around one pixel.
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


def _through_middles(ring: np.ndarray) -> np.ndarray:
    """Return the middles of the pixel edges of a ring, from the topmost, leftmost one on."""
    way = np.roll(ring, -1, axis=0) - ring
    lengths = np.abs(way).max(axis=1).astype(int)
    edge = np.repeat(np.arange(len(ring)), lengths)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    points = ring[edge] + np.sign(way[edge]) * (number + 0.5)[:, None]
    return np.roll(points, -int(np.lexsort((points[:, 0], points[:, 1]))[0]), axis=0)


def _pairs(order: np.ndarray) -> list[int]:
    """Return, per corner, the corner at the other end of its edge, given the order along lines."""
    partner = np.empty(len(order), int)
    partner[order[0::2]] = order[1::2]
    partner[order[1::2]] = order[0::2]
    return partner.tolist()


def _cycles(beside: list[int], above: list[int]) -> list[list[int]]:
    """Collect rings of corners, each from its topmost, then leftmost corner on."""
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
    """Return the index of the smallest outline around the pixel above a hole's first corner.

    ``frames`` are (M, 4) xyxy boxes around the outlines; they exclude most outlines cheaply.
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
    """Tell whether a ring contains a pixel's center, by the vertical edges to the left of it."""
    following = np.roll(ring, -1, axis=0)
    crossed = (ring[:, 1] > y) != (following[:, 1] > y)
    return bool(np.count_nonzero(crossed & (ring[:, 0] < x)) % 2)


def _join(ring: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Join a hole to a ring by a cut straight up from the hole's first corner."""
    x, y = hole[0]
    following = np.roll(ring, -1, axis=0)
    left, right = np.minimum(ring[:, 0], following[:, 0]), np.maximum(ring[:, 0], following[:, 0])
    spanning = np.flatnonzero((left <= x) & (x < right))
    start, end = ring[spanning], following[spanning]
    fraction = (x - start[:, 0]) / (end[:, 0] - start[:, 0])
    heights = start[:, 1] + fraction * (end[:, 1] - start[:, 1])  # where the cut meets each edge
    above = np.flatnonzero(heights <= y)
    if len(above):
        nearest = above[np.argmax(heights[above])]
        at, entry = spanning[nearest] + 1, np.array([[x, heights[nearest]]])
    else:  # after simplification the hole can stick out of the outline
        at = int(np.argmin(((ring - hole[0]) ** 2).sum(axis=1))) + 1
        entry = ring[at - 1 : at]
    return np.concatenate([ring[:at], entry, hole, hole[:1], entry, ring[at:]])


def _simplify(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """Drop points of a ring that lie within the tolerance of what remains (Douglas-Peucker)."""
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
    # two points have no area: keep the ring as it was
    return closed[:-1][kept[:-1]] if np.count_nonzero(kept[:-1]) > 2 else ring


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the distance of each point from the segment between two points."""
    way = end - start
    length = (way**2).sum()
    fraction = np.clip((points - start) @ way / length, 0, 1) if length else np.zeros(len(points))
    return np.sqrt(((points - start - fraction[:, None] * way) ** 2).sum(axis=1))
