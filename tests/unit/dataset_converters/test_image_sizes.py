"""Label maps of odd files: their values as drawn, or a line that says what is wrong."""

import cv2
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


def drawn(path, colors):
    """Save a mask of squares of 5 x 5 pixels on zeros, each of one value."""
    pixels = np.zeros((7, 7 * len(colors), len(colors[0])), np.uint8)
    for number, color in enumerate(colors):
        pixels[1:6, 7 * number + 1 : 7 * number + 6] = color
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.mark.parametrize(
    ("colors", "shown"),
    [
        ([(3, 0, 0, 1), (3, 0, 0, 2), (1, 0, 0, 3)], "0, 1, 2, 3"),  # BDD100K's: two cars, a person
        ([(3, 0, 1, 0), (3, 0, 1, 7)], "0, 7"),  # ids of 256 and more: blue counts too
        ([(3, 0, 0, 255), (3, 0, 0, 254)], "0, 254, 255"),  # not the edge of an opaque object
        ([(3, 1), (3, 2)], "0, 1, 2"),  # gray and alpha
    ],
)
def test_alpha_that_numbers_objects_of_one_color_is_refused(tmp_path, colors, shown):
    drawn(tmp_path / "a.png", colors)
    with pytest.raises(ValueError, match=rf"a\.png: .*values of alpha, such as {shown}: .*COCO"):
        read_label_map(tmp_path / "a.png")


def test_alpha_that_adds_nothing_to_the_colors_is_dropped(tmp_path):
    pixels = drawn(tmp_path / "a.png", [(1, 2, 3, 1), (4, 5, 6, 2)]).astype(int)
    expected = pixels[..., 0] * 65536 + pixels[..., 1] * 256 + pixels[..., 2]
    assert np.array_equal(read_label_map(tmp_path / "a.png"), expected)


def test_half_transparent_colors_on_transparent_white(tmp_path):
    pixels = drawn(tmp_path / "a.png", [(9, 9, 9, 120), (7, 7, 7, 120)])
    empty = pixels[..., 3] == 0
    expected = pixels[..., 0].copy()
    pixels[empty] = (255, 255, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_label_map(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("channels", [3, 4])
def test_colors_of_16_bits_are_refused(tmp_path, channels):
    """Pillow returns their upper bytes, in which all numbers below 256 are 0."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 6, channels), 7, np.uint16))
    with pytest.raises(ValueError, match=r"a\.png: .*several channels of 16 bits; .*gray PNG"):
        read_label_map(tmp_path / "a.png")
