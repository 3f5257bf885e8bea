from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.results.edit_polygons import edit_outline, join_parts


def drawn(polygons, height, width):
    flat = [polygon.ravel() for polygon in polygons]
    return coco_mask.decode(polygons_to_rle(flat, height, width)).astype(bool)


def test_a_disk_needs_few_points():
    ys, xs = np.mgrid[:100, :100]
    mask = np.hypot(xs - 50, ys - 50) < 40
    (polygon,), _ = edit_outline(Crop.of(mask))
    found = drawn([polygon], 100, 100)
    assert (found & mask).sum() / (found | mask).sum() >= 0.98
    # the outline steps at each of the 80 rows, left and right: 2 corners for each step
    assert len(polygon) < 40


@pytest.mark.parametrize(("radius", "most"), [(5, 12), (9, 16), (40, 24)])
def test_people_have_few_points_to_move(radius, most):
    ys, xs = np.mgrid[:100, :100]
    mask = np.hypot(xs - 50.3, ys - 49.6) < radius
    (polygon,), _ = edit_outline(Crop.of(mask))
    found = drawn([polygon], 100, 100)
    assert (found & mask).sum() / (found | mask).sum() >= 0.98
    assert len(polygon) <= most


def test_a_mask_of_a_few_pixels_is_exact():
    mask = np.array([[0, 1, 1], [1, 1, 0], [0, 1, 0]], bool)
    polygons = edit_outline(Crop(mask, 4, 2)).parts
    expected = np.zeros((8, 9), bool)
    expected[2:5, 4:7] = mask
    assert np.array_equal(drawn(polygons, 8, 9), expected)


def test_no_pixel_no_polygon():
    assert edit_outline(Crop.of(np.zeros((5, 5), bool))) == ([], False)


def test_joined_parts_are_drawn_alone():
    squares = [
        np.array([[x, y], [x + 4, y], [x + 4, y + 3], [x, y + 3]], float)
        for x, y in ((0, 0), (11, 2), (5, 12), (20, 20))
    ]
    joined = join_parts(squares)
    assert np.array_equal(drawn([joined], 30, 30), drawn(squares, 30, 30))
    assert drawn(squares, 30, 30).sum() == 4 * 12


def test_specks_and_pinholes_are_left_out():
    mask = np.zeros((80, 80), bool)
    mask[10:60, 10:60] = True
    mask[20, 20] = mask[30, 40:42] = False
    mask[70, 70] = True
    parts, has_hole = edit_outline(Crop.of(mask))
    assert not has_hole
    assert [part.tolist() for part in parts] == [[[10, 10], [60, 10], [60, 60], [10, 60]]]


def test_holes_and_parts_that_count_are_kept():
    mask = np.zeros((80, 80), bool)
    mask[10:60, 10:60] = True
    mask[30:36, 30:36] = False  # 36 of 2464 pixels
    mask[70:76, 70:76] = True
    parts, has_hole = edit_outline(Crop.of(mask))
    assert has_hole
    assert len(parts) == 2


def test_many_specks_are_the_object():
    mask = np.zeros((80, 80), bool)
    mask[::4, ::4] = True  # 400 specks of one pixel
    parts, _ = edit_outline(Crop.of(mask))
    assert len(parts) == 400
    found = drawn(parts, 80, 80)
    assert (found & mask).sum() / (found | mask).sum() >= 0.98
