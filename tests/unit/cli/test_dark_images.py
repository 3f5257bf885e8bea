"""Images of 12 bits in files of 16 are nearly black to a model of 8 bits: a user is told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condinst.cli.dark_images import note_on_dark_images
from condinst.images.pixel_format import PixelFormat


def write(path: Path, top: int, kind=np.uint16, channels=()) -> Path:
    pixels = np.zeros((20, 30, *channels), kind)
    pixels[5, 5] = top
    if path.suffix == ".npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
@pytest.mark.parametrize(
    ("top", "share", "factor"),
    [(4095, "6.2%", 16), (3000, "4.6%", 16), (16383, "25%", 4), (255, "0.39%", 256)],
)
def test_a_part_of_the_range(tmp_path, name, top, share, factor):
    """The product with the factor is at most 65,535, and more than half of it."""
    note = note_on_dark_images([write(tmp_path / name, top)], PixelFormat())
    assert note is not None
    assert f"use {share} of their range (the largest value of 1 image is {top:,} of" in note
    assert f"multiply their values by {factor} first" in note
    assert 32768 <= top * factor <= 65535


@pytest.mark.parametrize("pixel_format", [PixelFormat(1, "uint16"), PixelFormat(1, "float32")])
def test_models_that_take_all_bits(tmp_path, pixel_format):
    assert note_on_dark_images([write(tmp_path / "a.png", 4095)], pixel_format) is None


def test_images_that_say_nothing(tmp_path):
    """8 bits, colors, the whole range, black, a broken file and none at all."""
    eight = [write(tmp_path / "a.png", 20, np.uint8), write(tmp_path / "b.npy", 20, np.uint8)]
    eight.append(write(tmp_path / "c.jpg", 20, np.uint8, (3,)))
    whole = [write(tmp_path / "d.png", 16384), write(tmp_path / "e.png", 0)]
    broken = tmp_path / "f.tif"
    broken.write_bytes(b"II*\0nothing")
    for images in (eight, whole, [broken], [whole[1]], []):
        assert note_on_dark_images(images, PixelFormat(1)) is None


def test_one_bright_image_is_enough(tmp_path):
    """A dark image may be an empty one: the first, the middle and the last image are read."""
    images = [write(tmp_path / f"{i}.png", 60000 if i == 2 else 4000) for i in range(5)]
    assert note_on_dark_images(images, PixelFormat()) is None
    assert note_on_dark_images(images[3:], PixelFormat()) is not None
