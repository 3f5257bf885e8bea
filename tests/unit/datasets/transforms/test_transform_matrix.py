"""Every transform of mmdet gives masks that fit the image, or is refused by name."""

from __future__ import annotations

import logging

import pytest
import transform_matrix as matrix

IDS = [f"{i}-{case.name}" for i, case in enumerate(matrix.CASES)]


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


def test_every_transform_of_mmdet_is_listed():
    assert not matrix.unlisted()


@pytest.mark.parametrize("case", matrix.CASES, ids=IDS)
def test_masks_fit_the_image(case):
    # the images of the kind "mixed" have polygons, RLE, both, and no objects
    assert "WRONG" not in matrix.outcome(case, "mixed", seeds=1)


@pytest.mark.parametrize("pixels", matrix.PIXELS.values(), ids=str)
@pytest.mark.parametrize("case", matrix.CASES, ids=IDS)
def test_masks_fit_images_of_any_channels(case, pixels):
    assert "WRONG" not in matrix.outcome(case, "mixed", seeds=1, pixels=pixels)


@pytest.mark.slow
@pytest.mark.parametrize("kind", matrix.KINDS)
@pytest.mark.parametrize("case", matrix.CASES, ids=IDS)
def test_masks_of_every_kind_fit_the_image(case, kind):
    assert "WRONG" not in matrix.outcome(case, kind, seeds=4)


def test_a_mask_that_stays_behind_is_noticed(monkeypatch):
    """The measurement itself: mmdet's own rotation of polygons, about the corner."""
    import cv2
    import numpy as np
    from mmdet.structures.mask import PolygonMasks

    def about_the_corner(self, out_shape, angle, **kwargs):
        turn = cv2.getRotationMatrix2D((0, 0), -angle, 1.0)
        points = [[p.reshape(-1, 2) @ turn[:, :2].T + turn[:, 2] for p in m] for m in self.masks]
        return PolygonMasks([[p.ravel() for p in m] for m in points], *out_shape)

    (case,) = (case for case in matrix.CASES if case.name == "Rotate")
    assert matrix.worst_iou(case, "polygons", 0) > 0.95
    monkeypatch.setattr(PolygonMasks, "rotate", about_the_corner)
    assert matrix.worst_iou(case, "polygons", 0) < 0.5
    assert np.isfinite(matrix.worst_iou(case, "empty", 0))
