"""Draw scenes of the generated dataset: overlapping colored shapes on a textured background.

All functions depend only on a random generator and read or write no files.

Shapes of arrays: S side of the square image in pixels, M shapes in one image.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["CLASSES", "Scene", "draw_scene"]

CLASSES = ("circle", "rectangle", "triangle", "star", "ring")

# Shapes are filled on a grid this many times finer, which makes borders smooth.
_SUPERSAMPLE = 4
_RADIUS_RANGE = (0.14, 0.44)  # times S
_SMALL_BIAS = 1.5  # the exponent that makes small shapes more frequent than large ones
_MAX_SHAPES = 5
_PLACEMENT_TRIES = 12
# A later shape is moved if it would leave less of an earlier one visible.
_MIN_VISIBLE_FRACTION = 0.6
_MIN_VISIBLE_AREA = 24  # pixels
_MAX_TILT = 0.4  # radians away from upright
_HUE_SPREAD = 0.05  # standard deviation, in turns of the color circle
_MIN_CONTRAST = 100.0  # RGB distance to what a shape is painted over


@dataclass(frozen=True)
class Scene:
    """One image with its exact ground truth.

    Attributes:
        image: (S, S, 3) uint8, RGB.
        masks: (M, S, S) bool, the visible part of each shape; no two overlap.
        labels: (M,) int64, index into ``CLASSES``.
    """

    image: np.ndarray
    masks: np.ndarray
    labels: np.ndarray


def draw_scene(rng: np.random.Generator, size: int, *, empty: bool = False) -> Scene:
    """Draw one image of ``size`` x ``size`` pixels, with shapes unless ``empty``.

    A pixel belongs to the topmost shape that covers at least half of it.
    """
    canvas = _draw_ground(rng, size)
    _draw_clutter(rng, canvas)
    owner = np.full((size, size), -1, np.int64)  # index of the shape that a pixel belongs to
    labels: list[int] = []
    areas: list[int] = []  # pixels of each shape inside the image, hidden or not
    for _ in range(0 if empty else int(rng.integers(2, _MAX_SHAPES + 1))):
        label = int(rng.integers(len(CLASSES)))
        coverage = _place_shape(rng, CLASSES[label], owner, areas)
        if coverage is None:
            continue
        _paint(rng, canvas, coverage, label)
        covered = coverage >= 0.5
        owner[covered] = len(labels)
        labels.append(label)
        areas.append(int(covered.sum()))
    noise = rng.normal(0.0, rng.uniform(1.0, 6.0), canvas.shape)
    return Scene(
        image=np.clip(np.rint(canvas + noise), 0, 255).astype(np.uint8),
        masks=np.stack([owner == i for i in range(len(labels))])
        if labels
        else np.zeros((0, size, size), bool),
        labels=np.array(labels, np.int64),
    )


def _place_shape(
    rng: np.random.Generator, name: str, owner: np.ndarray, areas: list[int]
) -> np.ndarray | None:
    """Find a place where the new shape leaves enough of all others visible.

    Returns:
        The covered fraction of each pixel, (S, S) float32 in [0, 1]; None if no try succeeded.
    """
    size = owner.shape[0]
    for _ in range(_PLACEMENT_TRIES):
        radius = size * (_RADIUS_RANGE[0] + np.ptp(_RADIUS_RANGE) * rng.random() ** _SMALL_BIAS)
        center = rng.uniform(0.15, 0.85, 2) * size
        coverage = _coverage(_outline(rng, name), center, radius, size)
        covered = coverage >= 0.5
        visible = np.bincount(owner[~covered & (owner >= 0)], minlength=len(areas))
        needed = np.maximum(_MIN_VISIBLE_FRACTION * np.array(areas), _MIN_VISIBLE_AREA)
        if covered.sum() >= _MIN_VISIBLE_AREA and (visible >= needed).all():
            return coverage
    return None


def _outline(rng: np.random.Generator, name: str) -> list[np.ndarray]:
    """Return closed contours in the unit circle, (N, 2) xy each; a second contour is a hole."""
    up = rng.uniform(-_MAX_TILT, _MAX_TILT) - np.pi / 2.0  # y points down
    if name == "circle":
        return [_on_circle(64, 1.0, up)]
    if name == "ring":
        return [_on_circle(64, 1.0, up), _on_circle(64, rng.uniform(0.45, 0.6), up)]
    if name == "triangle":
        return [_on_circle(3, 1.0, up + rng.uniform(-0.25, 0.25, 3))]
    if name == "star":
        return [_on_circle(10, np.tile([1.0, rng.uniform(0.4, 0.5)], 5), up)]
    if name == "rectangle":
        # Corners at angles +-a from up and from down: wide for a large a, high for a small a.
        a = rng.uniform(0.35, np.pi / 2.0 - 0.35)
        return [_on_circle(4, 1.0, up + np.array([-a, a - np.pi / 2, -a, a - np.pi / 2]))]
    raise AssertionError(name)


def _on_circle(num: int, radius: float | np.ndarray, turn: float | np.ndarray) -> np.ndarray:
    """Return (num, 2) points at equal angles; radius and extra angle can differ between points."""
    angles = 2.0 * np.pi * np.arange(num) / num + turn
    return np.stack([np.cos(angles) * radius, np.sin(angles) * radius], axis=1)


def _coverage(
    contours: list[np.ndarray], center: np.ndarray, radius: float, size: int
) -> np.ndarray:
    """Return the covered fraction of each pixel, (S, S) float32."""
    fine = np.zeros((size * _SUPERSAMPLE, size * _SUPERSAMPLE), np.uint8)
    # Pixel (0, 0) of the fine grid has its center at 0.5; OpenCV counts from the centers.
    points = [
        np.rint((c * radius + center) * _SUPERSAMPLE - 0.5).astype(np.int32) for c in contours
    ]
    whole = _SUPERSAMPLE**2  # makes the mean of a block a whole number, which is not rounded
    cv2.fillPoly(fine, points, whole)  # even-odd: the second contour is a hole
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA) / np.float32(whole)


def _paint(rng: np.random.Generator, canvas: np.ndarray, coverage: np.ndarray, label: int) -> None:
    """Blend a shaded or striped fill into the canvas, in place."""
    below = canvas[coverage >= 0.5].mean(axis=0)
    color = _color(rng, label)
    while np.linalg.norm(color - below) < _MIN_CONTRAST:
        color = _color(rng, label)
    wave = _wave(rng, canvas.shape[0], periods=(0.3, 8.0))
    fill = color + rng.uniform(0.0, 25.0) * wave[..., None]
    canvas += coverage[..., None] * (fill - canvas)


def _color(rng: np.random.Generator, label: int) -> np.ndarray:
    """Choose an RGB color near the hue of the class, so that training takes minutes.

    The hues of neighboring classes overlap a little; there, only the shape decides the class.
    """
    hue = label / len(CLASSES) + rng.normal(0.0, _HUE_SPREAD)
    saturation, value = rng.uniform(0.55, 1.0), rng.uniform(0.5, 1.0)
    return 255.0 * np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def _draw_ground(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw the background, (S, S, 3) float64: two colors mixed by a random pattern."""
    kind = rng.integers(4)
    if kind == 0:
        pattern = _wave(rng, size, periods=(2.0, 16.0))
    elif kind == 1:
        pattern = _wave(rng, size, periods=(2.0, 8.0)) * _wave(rng, size, periods=(2.0, 8.0))
    elif kind == 2:
        cells = int(rng.integers(3, 13))
        blobs = rng.uniform(-1.0, 1.0, (cells, cells))
        pattern = cv2.resize(blobs, (size, size), interpolation=cv2.INTER_CUBIC)
    else:
        pattern = _wave(rng, size, periods=(0.2, 0.5))
    mix = np.clip(0.5 + 0.5 * pattern, 0.0, 1.0)[..., None]
    # nearly gray, so that colored shapes can be distinguished after minutes of training
    first = rng.uniform(30, 225) + rng.uniform(-20, 20, 3)
    second = np.clip(first + rng.uniform(-50, 50) + rng.uniform(-10, 10, 3), 0, 255)
    return first * mix + second * (1.0 - mix)


def _wave(rng: np.random.Generator, size: int, periods: tuple[float, float]) -> np.ndarray:
    """Return a sine of random direction, ``periods`` times over the image: (S, S), in [-1, 1]."""
    angle, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
    y, x = np.mgrid[:size, :size] / size
    return np.sin(
        2.0 * np.pi * rng.uniform(*periods) * (x * np.cos(angle) + y * np.sin(angle)) + phase
    )


def _draw_clutter(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Draw lines and specks without annotations, which a detector must not find, in place."""
    size = canvas.shape[0]
    thickness = max(1, round(size / 160))
    for _ in range(int(rng.integers(0, 6))):
        start, end = (tuple(p) for p in rng.integers(0, size, (2, 2)).tolist())
        color = rng.uniform(0, 255, 3).tolist()
        if rng.random() < 0.5:
            cv2.line(canvas, start, end, color, thickness)
        else:
            cv2.circle(canvas, start, thickness, color, -1)
