"""mmdet's tools draw the masks of our data."""

import numpy as np
import pytest
from mmdet.models.utils import mask2ndarray
from mmdet.structures.mask import BitmapMasks

from condinst.targets.mask_samples import sample_masks


@pytest.mark.parametrize("stride", [2, 4])
def test_sampled_masks_are_drawn_at_the_size_of_the_image(stride):
    mask = np.zeros((1, 31, 45), np.uint8)
    mask[0, 8:24, 12:40] = 1  # whole cells of both strides
    drawn = mask2ndarray(sample_masks(BitmapMasks(mask, 31, 45), stride))
    np.testing.assert_array_equal(drawn, mask)


def test_other_masks_are_drawn_as_before():
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 2:5] = 1
    np.testing.assert_array_equal(mask2ndarray(BitmapMasks(mask, 9, 9)), mask)
    with pytest.raises(TypeError, match="Unsupported"):
        mask2ndarray("a mask")
