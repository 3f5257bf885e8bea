"""mmdet's polygons move as OpenCV moves the image's pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from pycocotools import mask as coco_mask

SQUARE = np.array([10, 20, 30, 20, 30, 40, 10, 40], float)


def polygons(*points: np.ndarray, size=(60, 80)) -> PolygonMasks:
    return PolygonMasks([[p] for p in points], *size)


def test_a_quarter_turn_about_the_center():
    """In an image of 60 x 60, clockwise: (x, y) goes to (60 - y, x)."""
    turned = polygons(SQUARE, size=(60, 60)).rotate((60, 60), 90)
    assert np.allclose(turned.masks[0][0], [40, 10, 40, 30, 20, 30, 20, 10])


@pytest.mark.parametrize("angle", [12.0, -47.0, 90.0, 170.0])
def test_rotated_as_bitmaps_are(angle):
    masks = polygons(SQUARE, np.array([35, 2, 79, 10, 60, 55, 40, 30], float))
    drawn = BitmapMasks(masks.to_ndarray().astype(np.uint8), 60, 80)
    one, other = (m.rotate((60, 80), angle).to_ndarray() > 0 for m in (masks, drawn))
    for a, b in zip(one, other, strict=True):
        assert np.count_nonzero(a & b) > 0.93 * np.count_nonzero(a | b)


def test_an_outline_is_cut_at_the_border_and_not_bent():
    """A triangle with corners at (0, 10), (40, 10), (0, 50), moved 20 to the left.

    Its points move to (-20, 10), (20, 10), (-20, 50); the border x = 0 cuts it at (0, 10), (0, 30).
    """
    triangle = np.array([0, 10, 40, 10, 0, 50], float)
    moved = polygons(triangle).translate((60, 80), -20).masks[0][0].reshape(-1, 2)
    assert {tuple(p) for p in moved.tolist()} == {(0, 10), (20, 10), (0, 30)}


def test_what_leaves_the_image_is_empty_and_keeps_its_place():
    right = SQUARE + np.array([35, 0] * 4)
    moved = polygons(SQUARE, right).translate((60, 80), -31)
    assert moved.masks[0][0].tolist() == [0] * 6
    assert moved.masks[1][0].tolist() == [14, 20, 34, 20, 34, 40, 14, 40]


def test_shear():
    """Pixel centers: x + 0.5 * (y - 0.5)."""
    sheared = polygons(SQUARE).shear((60, 80), 0.5)
    assert np.allclose(sheared.masks[0][0], [19.75, 20, 39.75, 20, 49.75, 40, 29.75, 40])


def test_expand():
    larger = polygons(SQUARE).expand(100, 200, 7, 9)
    assert (larger.height, larger.width) == (100, 200)
    assert larger.masks[0][0].tolist() == (SQUARE + [9, 7] * 4).tolist()


@pytest.mark.parametrize("frame", [(5, 5, 25, 50), (0, 0, 80, 60), (20, 30, 70, 58)])
def test_cropping_keeps_holes_and_crossings(frame):
    """A ring with a cut to its hole, and a bow tie: drawing and cutting commute."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    hole = np.concatenate([circle[:1], circle[:0:-1], circle[:1]]) * 9
    ring = (np.concatenate([circle * 20, circle[:1] * 20, hole]) + [28, 30]).ravel()
    bow_tie = np.array([10, 10, 60, 40, 60, 10, 10, 40], float)
    x1, y1, x2, y2 = frame
    for outline in (ring, bow_tie):
        rle = coco_mask.frPyObjects([outline], 60, 80)[0]
        expected = coco_mask.decode(rle)[y1:y2, x1:x2] > 0
        found = polygons(outline).crop(np.array(frame)).to_ndarray()[0] > 0
        assert found.shape == expected.shape
        assert np.count_nonzero(found != expected) <= 4


def test_many_bitmaps():
    bitmaps = np.zeros((300, 40, 50), np.uint8)
    bitmaps[np.arange(300), np.arange(300) % 40, 25] = 1
    moved = BitmapMasks(bitmaps, 40, 50).translate((40, 50), 5).masks
    assert np.array_equal(moved, np.roll(bitmaps, 5, axis=2))
    assert cv2.__version__  # OpenCV 5 takes 128 channels
