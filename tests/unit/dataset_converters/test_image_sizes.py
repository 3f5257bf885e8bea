"""Label maps of odd files: their values as drawn, or a line that says what is wrong."""

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters.image_sizes import read_label_map
from condinst.dataset_converters.outlines import check_pixels


def test_a_gif_of_one_value_is_not_empty(tmp_path):
    """Pillow writes it as index 0 of a palette that holds the value."""
    Image.fromarray(np.ones((5, 6), np.uint8)).save(tmp_path / "mask.gif")
    assert np.array_equal(read_label_map(tmp_path / "mask.gif"), np.ones((5, 6)))


def test_a_negative_value_is_refused(tmp_path):
    Image.fromarray(np.full((5, 6), -5, np.int32)).save(tmp_path / "mask.tif")
    with pytest.raises(ValueError, match=r"mask\.tif: expected pixels of 0 or more, got -5"):
        read_label_map(tmp_path / "mask.tif")


@pytest.mark.parametrize("points", [None, [[1, None]]])
def test_null_is_called_null(points):
    with pytest.raises(ValueError, match="expected pixels, at most 1048576, got null"):
        check_pixels(points)


def test_pixels_of_less_than_half_opacity_are_background(tmp_path):
    red, clear, edge = [255, 0, 0, 255], [0, 0, 0, 0], [255, 0, 0, 90]
    pixels = np.array([[clear, edge, red, red, edge, clear]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_label_map(tmp_path / "a.png").tolist() == [[0, 0, 255 << 16, 255 << 16, 0, 0]]
    pixels[..., 3] = 90  # without an opaque pixel, alpha says nothing
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_label_map(tmp_path / "a.png").tolist() == [[0, *[255 << 16] * 4, 0]]
