"""Outlines: filled by pycocotools they are the mask, whatever its shape."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from condinst.masks.polygons import trace


def fill(parts, size):
    rles = coco_mask.frPyObjects([part.ravel().tolist() for part in parts], *map(int, size))
    return coco_mask.decode(coco_mask.merge(rles)).astype(bool)


def signed_area(ring):
    x, y = ring.astype(float).T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def blobs(rng):
    height, width = rng.integers(1, 30, 2)
    return rng.random((height, width)) < rng.choice([0.1, 0.5, 0.8, 0.95, 1.0])


def test_a_rectangle():
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    (ring,) = trace(mask)
    assert ring.tolist() == [[3, 2], [9, 2], [9, 5], [3, 5]]
    assert ring.dtype == np.float32
    (moved,) = trace(mask[2:5, 3:9], x=103, y=52)
    assert moved.tolist() == [[103, 52], [109, 52], [109, 55], [103, 55]]
    assert trace(np.zeros((10, 12), bool)) == []
    assert trace(np.zeros((0, 0), bool)) == []


def test_a_hole_is_joined_by_a_cut():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    (ring,) = trace(mask)
    points = [
        [0, 0],
        [2, 0],
        [2, 2],
        [2, 3],
        [3, 3],
        [3, 2],
        [2, 2],
        [2, 0],
        [5, 0],
        [5, 5],
        [0, 5],
    ]
    assert ring.tolist() == points
    assert signed_area(ring) == 24


def test_any_mask_comes_back_to_the_pixel():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        mask = blobs(rng)
        parts = trace(mask)
        components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] - 1
        assert len(parts) == components
        if parts:
            assert np.array_equal(fill(parts, mask.shape), mask)
        assert sum(signed_area(part) for part in parts) == mask.sum()


def test_without_stairs_it_is_the_same_mask():
    rng = np.random.default_rng(1)
    for _ in range(300):
        mask = blobs(rng)
        parts = trace(mask, stairs=False)
        assert len(parts) == len(trace(mask))
        if parts:
            assert np.array_equal(fill(parts, mask.shape), mask)


def test_a_slanted_outline_without_stairs():
    """The lower left half of a square: middles of the steps lie on one line."""
    mask = np.tri(8, dtype=bool)
    (ring,) = trace(mask, tolerance=0.01, stairs=False)
    assert ring.tolist() == [[0.5, 0], [8, 7.5], [7.5, 8], [0.5, 8], [0, 7.5], [0, 0.5]]


def test_parts_in_holes_of_parts():
    rows, columns = np.mgrid[:101, :101] - 50
    radius = np.maximum(abs(rows), abs(columns))
    mask = radius // 10 % 2 == 0  # rings in each other, a square in the middle
    parts = trace(mask)
    assert sorted(signed_area(part) for part in parts) == [19**2, 59**2 - 39**2, 99**2 - 79**2]
    assert np.array_equal(fill(parts, mask.shape), mask)


@pytest.mark.parametrize("tolerance", [1.0, 2.0, 5.0])
def test_a_tolerance_leaves_few_points_near_the_edge(tolerance):
    rows, columns = np.mgrid[:400, :400]
    disk = np.hypot(rows - 200, columns - 200) < 180
    mask = disk & (np.hypot(rows - 150, columns - 200) > 40)
    (exact,), (ring,) = trace(mask), trace(mask, tolerance=tolerance)
    assert len(ring) < len(exact) / 5
    changed = fill([ring], mask.shape) != mask
    # to the nearest pixel on the other side of the edge
    depths = [
        cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 5) for side in (mask, ~mask)
    ]
    assert changed.any()
    assert np.maximum(*depths)[changed].max() <= tolerance + 1


def test_simplified_rings_keep_an_area():
    rng = np.random.default_rng(1)
    for _ in range(500):
        for part in trace(blobs(rng), tolerance=3.0):
            assert len(part) >= 3
            assert np.isfinite(part).all()
    (line,) = trace(np.ones((1, 50), bool), tolerance=2.0)
    assert abs(signed_area(line)) > 0
