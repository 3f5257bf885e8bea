"""Compare shapes with calculations by hand and with pycocotools."""

import math

import numpy as np
from pycocotools import mask as coco_mask

from condinst.dataset_converters.outlines import (
    box_object,
    ellipse,
    label_map_rles,
    polygon_object,
    rectangle,
    rle_object,
)


def test_polygon_of_two_parts_is_measured_as_one():
    parts = [rectangle(2, 3, 12, 8), rectangle(20, 25, 10, 15)]  # 10 x 5 and 10 x 10
    found = polygon_object("a", parts, 30, 40)
    assert found["area"] == 150
    assert found["bbox"] == [2, 3, 18, 22]
    assert len(found["segmentation"]) == 2


def test_polygon_beyond_the_image_has_its_box_in_it():
    found = polygon_object("a", [rectangle(-10, -10, 5, 6)], 30, 40)
    assert found["bbox"] == [0, 0, 5, 6]
    assert found["area"] == 30


def test_polygon_without_pixels_is_none():
    assert polygon_object("a", [rectangle(3.1, 3.1, 3.2, 3.2)], 30, 40) is None
    assert polygon_object("a", [rectangle(50, 50, 60, 60)], 30, 40) is None


def test_ellipse_is_as_large_as_its_formula_and_turned():
    points = ellipse(100, 80, 60, 20, math.radians(30))
    found = polygon_object("a", [points], 160, 200)
    assert abs(found["area"] / (math.pi * 60 * 20) - 1) < 0.01
    half_width = math.hypot(60 * math.cos(math.radians(30)), 20 * math.sin(math.radians(30)))
    assert abs(found["bbox"][0] - (100 - half_width)) < 0.1
    assert abs(found["bbox"][2] - 2 * half_width) < 0.2
    mask = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(found["segmentation"], 160, 200)))
    assert mask[80 + 25, 100 + 43] == 1  # 50 along the long axis: down on the right
    assert mask[80 - 25, 100 + 43] == 0


def test_box_is_clipped():
    assert box_object("a", -5, 2, 10, 50, 30, 40)["bbox"] == [0, 2, 10, 28]
    assert box_object("a", 45, 2, 50, 5, 30, 40) is None


def test_label_map_rles_are_pycocotools_rles():
    random = np.random.default_rng(0)
    for shape in ((1, 1), (7, 5), (23, 31)):
        for values in (1, 2, 40):
            labels = random.integers(0, values + 1, shape) * 300
            rles = label_map_rles(labels)
            assert list(rles) == sorted(set(labels.ravel().tolist()) - {0})
            for value, rle in rles.items():
                assert rle == coco_mask.encode(np.asfortranarray(labels == value, np.uint8))


def test_rle_object_measures_its_pixels():
    mask = np.zeros((30, 40), np.uint8, order="F")
    mask[4:9, 30:] = 1
    found = rle_object("a", coco_mask.encode(mask), crowd=True)
    assert (found["area"], found["bbox"], found["iscrowd"]) == (50, [30, 4, 10, 5], 1)
    assert isinstance(found["segmentation"]["counts"], str)
    assert rle_object("a", coco_mask.encode(mask * 0)) is None
