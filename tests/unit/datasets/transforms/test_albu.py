"""What does not need albumentations; the matrix of transforms tries the rest if it is there."""

from __future__ import annotations

import numpy as np
import pytest
import transform_matrix as matrix

from condinst.datasets.transforms.albu import Albu


def albu(change):
    """Return the transform with ``change`` of the image in place of albumentations."""
    transform = object.__new__(Albu)
    transform.keymap_to_albu, transform.skip_img_without_anno, transform._is_x = {}, False, False
    transform.aug = lambda **given: {**given, "image": change(given["image"])}
    return transform


def test_wrong_values_of_16_bits_are_refused():
    pixels = matrix.PIXELS["gray, 16 bits"]
    with pytest.raises(ValueError, match=r"mixed-1.png: Albu: a transform made float64 of uint16"):
        albu(lambda image: image * 0.5)(matrix.sample("mixed", 1, pixels=pixels))
    found = albu(lambda image: image // 2)(matrix.sample("mixed", 1, pixels=pixels))
    assert found["img"].dtype == np.uint16
    assert found["img"].max() == 32767
