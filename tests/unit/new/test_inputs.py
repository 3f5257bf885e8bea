"""Test the channels and types found in files that were written with them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from condinst.images.pixel_format import PixelFormat
from condinst.new.inputs import look_at_inputs

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)
COLORS = np.stack([GRAY, GRAY[::-1], GRAY.T], axis=-1)
DEEP = GRAY.astype(np.uint16) * 60


def save(folder, images):
    paths = []
    for i, pixels in enumerate(images):
        if pixels.ndim == 3 and pixels.shape[2] > 4 or pixels.dtype.kind == "f":
            paths.append(folder / f"{i}.npy")
            np.save(paths[-1], pixels)
        else:
            paths.append(folder / f"{i}.png")
            Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([COLORS, COLORS], PixelFormat()),
        ([GRAY, GRAY], PixelFormat(1)),
        ([GRAY] * 9 + [COLORS], PixelFormat(3)),
        ([DEEP], PixelFormat(1, "uint16")),
        ([DEEP, GRAY], PixelFormat(1)),
        ([np.dstack([COLORS, COLORS])], PixelFormat(6)),
        ([GRAY.astype(np.float32)], PixelFormat(1, "float32")),
    ],
    ids=["colors", "gray", "mixed", "16 bit", "16 and 8 bit", "6 channels", "float"],
)
def test_the_format_that_all_images_can_take(tmp_path, images, expected):
    inputs = look_at_inputs(save(tmp_path, images))
    assert inputs.pixels == expected
    assert sum(inputs.kinds.values()) == len(images)
    assert inputs.largest == max(image.max() for image in images)


def test_alpha_is_no_channel_but_is_told_of(tmp_path):
    opaque = np.dstack([COLORS, np.full((8, 8), 255, np.uint8)])
    inputs = look_at_inputs(save(tmp_path, [opaque]))
    assert inputs.pixels == PixelFormat()
    assert inputs.notes == ()
    inputs = look_at_inputs(save(tmp_path, [np.dstack([COLORS, GRAY])]))
    assert inputs.pixels == PixelFormat()
    assert "0.png has an alpha channel that varies" in inputs.notes[0]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([GRAY, np.dstack([COLORS, COLORS])], "6 channels of uint8, such as .*1.npy"),
        ([GRAY, GRAY.astype(np.float32)], "1 channel of float32, such as .*1.npy"),
    ],
)
def test_images_without_a_common_format(tmp_path, images, message):
    with pytest.raises(ValueError, match=message):
        look_at_inputs(save(tmp_path, images))


def test_a_file_that_is_no_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a\.png: not readable"):
        look_at_inputs([path])
