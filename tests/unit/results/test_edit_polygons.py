from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.results.edit_polygons import edit_polygons, join_parts


def drawn(polygons, height, width):
    flat = [polygon.ravel() for polygon in polygons]
    return coco_mask.decode(polygons_to_rle(flat, height, width)).astype(bool)


def test_a_disk_needs_few_points():
    ys, xs = np.mgrid[:100, :100]
    mask = np.hypot(xs - 50, ys - 50) < 40
    (polygon,) = edit_polygons(Crop.of(mask))
    found = drawn([polygon], 100, 100)
    assert (found & mask).sum() / (found | mask).sum() >= 0.98
    # the outline steps at each of the 80 rows, left and right: 2 corners for each step
    assert len(polygon) < 40


def test_a_mask_of_a_few_pixels_is_exact():
    mask = np.array([[0, 1, 1], [1, 1, 0], [0, 1, 0]], bool)
    polygons = edit_polygons(Crop(mask, 4, 2))
    expected = np.zeros((8, 9), bool)
    expected[2:5, 4:7] = mask
    assert np.array_equal(drawn(polygons, 8, 9), expected)


def test_no_pixel_no_polygon():
    assert edit_polygons(Crop.of(np.zeros((5, 5), bool))) == []


def test_joined_parts_are_drawn_alone():
    squares = [
        np.array([[x, y], [x + 4, y], [x + 4, y + 3], [x, y + 3]], float)
        for x, y in ((0, 0), (11, 2), (5, 12), (20, 20))
    ]
    joined = join_parts(squares)
    assert np.array_equal(drawn([joined], 30, 30), drawn(squares, 30, 30))
    assert drawn(squares, 30, 30).sum() == 4 * 12
