"""Polygons are drawn as pycocotools draws them, in memory that their numbers do not decide."""

import resource
import time

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from condinst.masks import polygon_rle
from condinst.masks.polygon_rle import is_quick_to_draw, polygons_to_rle, polygons_to_rles


def random_polygon(rng, height, width):
    """Crossing, touching, flat, on and between the pixels, near and far."""
    scale = rng.choice([1, 3, 50, 1000, 1e5])
    points = (rng.random((rng.integers(3, 12), 2)) - 0.3) * scale
    points *= [width, height] if scale < 1000 else 1
    kind = rng.integers(5)
    if kind == 1:
        points = np.round(points)
    if kind == 2:
        points = np.round(points * 2) / 2
    if kind == 3:
        points[-1] = points[0]
    if kind == 4:
        points[:, rng.integers(2)] = np.round(points[:, 0])
    return points.ravel()


@pytest.mark.parametrize("number", [400, pytest.param(30_000, marks=pytest.mark.slow)])
def test_what_is_computed_is_what_pycocotools_draws(number, monkeypatch):
    """The way for long outlines, on short ones too, which pycocotools can draw."""
    monkeypatch.setattr(polygon_rle, "_MAX_STEPS", -1)
    rng = np.random.default_rng(0)
    filled = 0
    for _ in range(number):
        height, width = rng.integers(1, 80, 2).tolist()
        polygon = random_polygon(rng, height, width)
        theirs = coco_mask.frPyObjects([polygon], height, width)
        assert polygons_to_rles([polygon], height, width) == theirs
        filled += coco_mask.area(theirs[0]) > 0
    assert filled > number / 3


def test_real_polygons(datasets, monkeypatch):
    from pycocotools.coco import COCO

    truth = COCO(str(datasets / "coco_tiny" / "annotations" / "instances_val2017.json"))
    monkeypatch.setattr(polygon_rle, "_MAX_STEPS", -1)
    drawn = 0
    for annotation in list(truth.anns.values())[:300]:
        polygons = annotation["segmentation"]
        if isinstance(polygons, dict):
            continue
        image = truth.imgs[annotation["image_id"]]
        rle = polygons_to_rle(polygons, image["height"], image["width"])
        assert rle == truth.annToRLE(annotation)
        drawn += 1
    assert drawn > 200


def test_a_union(monkeypatch):
    squares = [[1, 1, 6, 1, 6, 6, 1, 6], [4, 4, 9, 4, 9, 9, 4, 9], [20, 20, 22, 20, 22, 22, 20, 22]]
    theirs = coco_mask.merge(coco_mask.frPyObjects(squares, 30, 30))
    assert polygons_to_rle(squares, 30, 30) == theirs
    assert coco_mask.area(theirs) == 25 + 25 - 4 + 4
    monkeypatch.setattr(polygon_rle, "_MAX_STEPS", -1)
    assert polygons_to_rle(squares, 30, 30) == theirs


def test_in_batches(monkeypatch):
    """A few crossings at a time."""
    polygon = random_polygon(np.random.default_rng(3), 60, 70) % 70
    theirs = coco_mask.frPyObjects([polygon], 60, 70)
    monkeypatch.setattr(polygon_rle, "_MAX_STEPS", -1)
    monkeypatch.setattr(polygon_rle, "_BATCH", 5)
    assert polygons_to_rles([polygon], 60, 70) == theirs


@pytest.mark.parametrize("far", [1e5, 1e8, 1e9, 1e12, 1e15, 1e300])
def test_far_coordinates_take_no_memory(far):
    """A triangle whose far corner lies to the right covers what lies right of its short side."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rle = polygons_to_rle([[10, -far, far, 20, 10, far]], 40, 60)
    assert coco_mask.decode(rle)[:, :10].sum() == 0
    assert coco_mask.decode(rle)[:, 10:].all()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200e3  # KiB


def test_a_long_outline_in_a_small_image_takes_no_memory():
    """pycocotools would walk 5e8 steps, of 16 bytes each."""
    points = np.random.default_rng(0).uniform(0, 2000, (100_000, 2))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert not is_quick_to_draw([points.ravel()])
    rle = polygons_to_rle([points.ravel()], 200, 200)
    assert 0 < coco_mask.area(rle) < 200 * 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600e3
    assert time.process_time() - start < 30


@pytest.mark.parametrize(
    ("polygons", "message"),
    [
        ([], "expected polygons, got none"),
        ([[1, 2, 3, 4]], "three points or more"),
        ([[1, 2, 3, 4, 5, 6, 7]], "three points or more"),
        ([[[1, 2], [3, 4], [5, 6]]], "three points or more"),
        ([[1, 2, 3, "a", 5, 6]], "three points or more"),
        ([[1, 2, 3, None, 5, 6]], "not finite"),
        ([[1, 2, 3, 10**400, 5, 6]], "three points or more"),
        ([[1, 2, 3, float("nan"), 5, 6]], "not finite"),
        ([[1, 2, 3, float("inf"), 5, -float("inf")]], "not finite"),
    ],
)
def test_what_is_no_polygon(polygons, message):
    with pytest.raises(ValueError, match=message):
        polygons_to_rle(polygons, 30, 30)


@pytest.mark.parametrize("size", [(0, 10), (-1, -1), (10**9, 10**9)])
def test_no_such_image(size):
    with pytest.raises(ValueError, match="expected an image of"):
        polygons_to_rle([[1, 1, 5, 1, 5, 5]], *size)
