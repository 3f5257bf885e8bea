"""Boxes fit the masks after ``FitBoxesToMasks``; the expected boxes are computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import transform_matrix as matrix
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.registry import DefaultScope

from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

HEIGHT, WIDTH = 60, 60
SMALL = [10.0, 12.5, 20.25, 12.5, 15.0, 31.0]  # a triangle in 10 to 20.25, 12.5 to 31
WRONG = [1.0, 2.0, 50.0, 55.0]


def fit(masks, boxes=None):
    given = HorizontalBoxes(np.array(boxes or [WRONG] * len(masks), np.float32).reshape(-1, 4))
    kept = given.clone()
    step = TRANSFORMS.build(dict(type="FitBoxesToMasks"))
    found = step(dict(gt_bboxes=given, gt_masks=masks))["gt_bboxes"]
    assert np.array_equal(given.tensor, kept.tensor)  # other images of a cache may share them
    return found.tensor.tolist()


def polygons(*objects):
    return PolygonMasks([[np.array(p) for p in each] for each in objects], HEIGHT, WIDTH)


def test_polygons_end_at_their_points():
    assert fit(polygons([SMALL])) == [[10, 12.5, 20.25, 31]]


def test_all_parts_of_an_object_count_and_parts_without_area_do_not():
    part = [40.0, 5.0, 44.0, 5.0, 44.0, 9.0, 40.0, 9.0]
    assert fit(polygons([SMALL, part])) == [[10, 5, 44, 31]]
    assert fit(polygons([SMALL, [0.0] * 6, [50.0, 3.0, 50.0, 40.0, 50.0, 7.0]])) == [
        [10, 12.5, 20.25, 31]
    ]


def test_an_outline_along_the_border_has_no_pixels_there():
    """A square of 10 pixels at the left border; its outline also runs up to the corner and back."""
    square = [0.0, 30, 10, 30, 10, 40, 0, 40, 0, 0, 0, 30]
    assert fit(polygons([square])) == [[0, 30, 10, 40]]


@pytest.mark.parametrize("kind", [BitmapMasks, CropMasks])
def test_bitmaps_end_at_the_edges_of_pixels(kind):
    drawn = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    drawn[0, 12:31, 10:20] = 1
    drawn[1, 0, 59] = drawn[1, 59, 0] = 1
    assert fit(kind(drawn, HEIGHT, WIDTH)) == [[10, 12, 20, 31], [0, 0, 60, 60]]


def test_an_object_without_pixels_keeps_its_box():
    drawn = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    drawn[1, 3, 4] = 1
    for masks in (BitmapMasks(drawn, HEIGHT, WIDTH), CropMasks(list(drawn), HEIGHT, WIDTH)):
        assert fit(masks) == [WRONG, [4, 3, 5, 4]]
    assert fit(polygons([[0.0] * 6], [SMALL])) == [WRONG, [10, 12.5, 20.25, 31]]


def test_no_objects():
    assert fit(polygons()) == []
    assert fit(BitmapMasks(np.zeros((0, 60, 60), np.uint8), HEIGHT, WIDTH)) == []


def test_a_turned_square_has_the_box_of_its_corners():
    """A square that stands on a corner, turned by 45 degrees about the center of the image.

    Its corners are 10 pixels from (30, 30), so that its box before is 20 wide, and mmdet's box of
    the turned box 20 * sqrt(2) = 28.3. The turned square has sides of 10 * sqrt(2) = 14.14.
    """
    with DefaultScope.overwrite_default_scope("condinst"):
        rotate = TRANSFORMS.build(dict(type="Rotate", min_mag=45.0, max_mag=45.0, level=0))
    diamond = [30.0, 20.0, 40.0, 30.0, 30.0, 40.0, 20.0, 30.0]
    results = dict(
        img=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        img_shape=(HEIGHT, WIDTH),
        gt_bboxes=HorizontalBoxes(np.array([[20, 20, 40, 40]], np.float32)),
        gt_masks=polygons([diamond]),
    )
    results = rotate(results)
    assert float(results["gt_bboxes"].widths[0]) == pytest.approx(28.28, abs=0.01)
    found = TRANSFORMS.build(dict(type="FitBoxesToMasks"))(results)["gt_bboxes"]
    half = 50**0.5
    expected = [30 - half, 30 - half, 30 + half, 30 + half]
    assert found.tensor[0].tolist() == pytest.approx(expected, abs=0.01)


CASES = [
    case for case in matrix.CASES if case.name in ("Rotate", "ShearX", "RandomAffine", "Mosaic")
]


@pytest.mark.parametrize("kind", ["polygons", "RLE", "mixed"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_boxes_fit_what_is_drawn(case, kind):
    """The oracle is the first and last row and column of each bitmap; objects leave the image."""
    for seed in range(3):
        results = matrix.run(case, kind, seed)
        before = results["gt_bboxes"].tensor.numpy()
        after = TRANSFORMS.build(dict(type="FitBoxesToMasks"))(results)["gt_bboxes"].tensor.numpy()
        bitmaps = results["gt_masks"].to_ndarray()
        assert len(bitmaps) == len(before) == len(after) > 3
        for old, box, bitmap in zip(before, after, bitmaps, strict=True):
            rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
            expected = old
            if len(rows):
                expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert np.abs(box - expected).max() <= 1


def test_masks_are_needed():
    step = TRANSFORMS.build(dict(type="FitBoxesToMasks"))
    with pytest.raises(ValueError, match="a.png: FitBoxesToMasks finds no gt_masks"):
        step(dict(img_path="a.png", gt_bboxes=HorizontalBoxes(np.array([WRONG], np.float32))))
    results = dict(
        img_path="a.png",
        gt_masks=polygons([SMALL]),
        gt_bboxes=HorizontalBoxes(np.array([WRONG], np.float32)),
    )
    prepare = TRANSFORMS.build(dict(type="PrepareMaskTargets", stride=4))
    with pytest.raises(ValueError, match=r"between LoadAnnotations.* and PrepareMaskTargets"):
        step(prepare(results))
