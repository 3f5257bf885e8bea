import cv2
import numpy as np
import pytest

from condinst.images.pixel_format import PixelFormat, to_display, to_gray, turn_upright
from condinst.results.results import Results

RNG = np.random.default_rng(0)


def noise(*shape, dtype=np.uint8, top=256):
    return RNG.integers(0, top, shape).astype(dtype)


def test_gray_of_8_bits_is_opencv_s():
    rgb = noise(64, 80, 3)
    assert np.array_equal(to_gray(rgb), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_gray_of_other_types_is_itu_r_601(dtype):
    rgb = noise(16, 20, 3, dtype=dtype, top=65536)
    expected = rgb.astype(np.float64) @ [0.299, 0.587, 0.114]
    found = to_gray(rgb)
    assert found.dtype == dtype
    assert np.abs(found - expected).max() < 0.0001 * 65535  # coefficients of 15 bits


def test_equal_channels_are_their_own_gray():
    gray = noise(16, 20, dtype=np.uint16, top=65536)
    assert np.array_equal(to_gray(np.repeat(gray[:, :, None], 3, axis=2)), gray)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_pillow_s(orientation):
    from PIL import Image, ImageOps

    rgb = noise(6, 9, 3)
    image = Image.fromarray(rgb)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(turn_upright(rgb, orientation), ImageOps.exif_transpose(image))


@pytest.mark.parametrize(
    ("channels", "dtype", "shape", "found_dtype", "alpha", "message"),
    [
        (1, "uint8", (4, 5, 4), np.uint8, False, "4 channels, expected 1"),
        (3, "uint8", (4, 5, 2), np.uint8, False, "2 channels, expected 3"),
        (4, "uint8", (4, 5, 3), np.uint8, False, "3 channels, expected 4"),
        (4, "uint8", (4, 5), np.uint8, False, "1 channel, expected 4"),
        (5, "uint8", (4, 5, 4), np.uint8, True, "4 channels, expected 5"),
        (1, "uint16", (4, 5), np.uint8, False, "8 bits, expected 16"),
        (1, "uint16", (4, 5), np.float32, False, "float32 pixels have no defined range"),
        (1, "uint8", (4, 5), np.int32, False, "int32 pixels have no defined range"),
        (1, "uint8", (4,), np.uint8, False, r"got \(4,\)"),
        (1, "uint8", (0, 5), np.uint8, False, r"got \(0, 5"),
    ],
)
def test_what_cannot_become_the_format_is_refused(
    channels, dtype, shape, found_dtype, alpha, message
):
    with pytest.raises(ValueError, match=message):
        PixelFormat(channels, dtype).fit(np.zeros(shape, found_dtype), alpha=alpha)


def test_what_becomes_the_format():
    rgb, alpha = noise(4, 5, 3), noise(4, 5, 1)
    rgba = np.concatenate([rgb, alpha], axis=2)
    gray = to_gray(rgb)
    assert np.array_equal(PixelFormat(1).fit(rgba, alpha=True), gray)
    assert np.array_equal(PixelFormat(3).fit(rgba, alpha=True), rgb)
    assert np.array_equal(PixelFormat(4).fit(rgba, alpha=True), rgba)
    assert np.array_equal(PixelFormat(3).fit(gray), np.repeat(gray[:, :, None], 3, axis=2))
    assert np.array_equal(PixelFormat(1).fit(np.dstack([gray, gray]), alpha=True), gray)
    deep = gray.astype(np.uint16) * 256 + 200
    assert np.array_equal(PixelFormat(1).fit(deep), gray)  # the upper byte
    assert np.array_equal(PixelFormat(1, "float32").fit(deep), deep.astype(np.float32))
    assert np.array_equal(PixelFormat(1).fit(gray > 99), (gray > 99) * np.uint8(255))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_no_numbers_are_refused(value):
    with pytest.raises(ValueError, match="not finite"), np.errstate(over="ignore"):
        PixelFormat(1, "float32").fit(np.array([[0.0, value]]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": 0}, "channels=0"),
        ({"channels": "3"}, "channels='3'"),
        ({"dtype": "int8"}, "int8"),
    ],
)
def test_formats_that_are_none(values, message):
    with pytest.raises(ValueError, match=message):
        PixelFormat(**values)


def test_16_bits_are_shown_between_their_percentiles():
    ramp = np.linspace(500, 4500, 10_000).reshape(100, 100)
    shown = to_display(ramp.astype(np.uint16))
    assert shown.shape == (100, 100, 3)
    assert shown.dtype == np.uint8
    expected = 255 * (ramp - 504) / (4496 - 504)  # a thousandth of the range off either end
    assert np.abs(shown[..., 0] - expected.clip(0, 255)).max() < 1.2
    hot = ramp.copy()
    hot[0, 0] = 65535  # one pixel does not darken the others
    assert np.abs(to_display(hot.astype(np.uint16))[50].astype(int) - shown[50]).max() <= 1


def test_of_other_channels_three_are_shown_or_one():
    five, two = noise(4, 5, 5), noise(4, 5, 2)
    assert np.array_equal(to_display(five), five[:, :, :3])
    assert np.array_equal(to_display(two), np.repeat(two[:, :, :1], 3, axis=2))
    rgb = noise(4, 5, 3)
    assert to_display(rgb) is rgb or np.shares_memory(to_display(rgb), rgb)


@pytest.mark.parametrize("value", [0, 30000])
def test_an_image_of_one_value_can_be_shown(value):
    shown = to_display(np.full((4, 5), value, np.uint16))
    assert (shown == value // 256).all()
    assert np.isfinite(to_display(np.full((4, 5), value, np.float32))).all()


def test_results_draw_on_images_of_any_format():
    image = noise(40, 50, 4, dtype=np.uint16, top=4096)
    results = Results(
        image_size=(40, 50),
        boxes=[],
        scores=[],
        labels=[],
        crops=[],
        class_names=["a"],
        image=image,
    )
    assert np.array_equal(results.draw(enlarge=False), to_display(image))
