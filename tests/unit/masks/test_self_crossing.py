"""Outlines that shapely must not see are told from those of real objects."""

import numpy as np
import pytest

from condinst.masks.self_crossing import has_many_crossings


def circle(num: int, radius: float = 50.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, num, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@pytest.mark.parametrize("num", [100, 200, 400])
def test_long_edges_to_and_fro_cross_often(num):
    points = [((i % 2) * 1e6, ((i // 2) % 2) * 1e6 + i) for i in range(num)]
    assert has_many_crossings(np.array(points))


def test_points_in_random_order_cross_often():
    assert has_many_crossings(np.random.default_rng(0).permutation(circle(300)))


@pytest.mark.parametrize("num", [4, 100, 10_000])
def test_an_outline_does_not(num):
    assert not has_many_crossings(circle(num))


def test_a_jagged_outline_does_not():
    """A coast: every second point lies 10% further out."""
    points = circle(2000)
    points[::2] *= 1.1
    assert not has_many_crossings(points)
