"""Masks drawn into a label map."""

import numpy as np
import pytest

from condinst.masks.crop import Crop
from condinst.masks.label_map import draw_label_map


def test_the_first_mask_wins_a_pixel():
    masks = np.random.default_rng(0).random((6, 12, 9)) > 0.6
    masks[3] = False
    drawn = draw_label_map([Crop.of(mask) for mask in masks], (12, 9))
    covered = masks.any(axis=0)
    assert np.array_equal(drawn, np.where(covered, masks.argmax(axis=0) + 1, 0))
    assert drawn.dtype == np.uint16


def test_hidden_masks_are_left_out():
    masks = np.zeros((3, 1, 10), bool)
    masks[0, 0, 0:4], masks[1, 0, 2:6], masks[2, 0, 5:8] = True, True, True
    crops = [Crop.of(mask) for mask in masks]
    assert draw_label_map(crops, (1, 10), 0.5).tolist() == [[1, 1, 1, 1, 2, 2, 3, 3, 0, 0]]
    # the second is dropped, and no longer hides the third
    assert draw_label_map(crops, (1, 10), 0.6).tolist() == [[1, 1, 1, 1, 0, 3, 3, 3, 0, 0]]


def test_the_type_follows_the_number_of_masks():
    dot = Crop(np.ones((1, 1), bool), 0, 0)
    assert draw_label_map([dot] * 65_535, (1, 2)).dtype == np.uint16
    many = [dot] * 65_535 + [Crop(np.ones((1, 1), bool), 1, 0)]
    assert draw_label_map(many, (1, 2)).tolist() == [[1, 65_536]]
    assert draw_label_map(many, (1, 2)).dtype == np.uint32
    assert draw_label_map([], (0, 3)).shape == (0, 3)


def test_a_fraction_that_is_none():
    with pytest.raises(ValueError, match="min_visible=1.5: expected a number from 0 to 1"):
        draw_label_map([], (2, 2), 1.5)
