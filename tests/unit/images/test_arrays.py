"""Images in memory: what is taken, in which form, and the way out of what is refused."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from condinst.images.arrays import from_memory
from condinst.images.pixel_format import PixelFormat

RGB8 = PixelFormat()


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def png(rgb) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


def with_alpha(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], 9, np.uint8)])


@pytest.mark.parametrize(
    "convert",
    [
        lambda rgb: rgb,
        with_alpha,
        Image.fromarray,
        lambda rgb: Image.fromarray(with_alpha(rgb)),
        torch.from_numpy,
        lambda rgb: torch.from_numpy(rgb).permute(2, 0, 1),
        lambda rgb: torch.from_numpy(with_alpha(rgb)).permute(2, 0, 1),
        lambda rgb: torch.nn.Parameter(torch.from_numpy(rgb), requires_grad=False),
        np.asfortranarray,
    ],
)
def test_the_same_colors(rgb, convert):
    assert np.array_equal(from_memory(convert(rgb), RGB8), rgb)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_the_bytes_of_a_file(rgb, png, kind):
    assert np.array_equal(from_memory(kind(png), RGB8), rgb)


@pytest.mark.parametrize(
    "convert",
    [lambda x: x, lambda x: x[:, :, None], torch.from_numpy, lambda x: torch.from_numpy(x)[None]],
)
def test_gray_becomes_three_equal_channels(rgb, convert):
    gray = rgb[:, :, 0]
    assert np.array_equal(from_memory(convert(gray), RGB8), np.dstack([gray] * 3))


def test_opencvs_arrays(rgb, tmp_path):
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    assert np.array_equal(from_memory(bgr, RGB8, "bgr"), rgb)
    assert np.array_equal(from_memory(with_alpha(bgr), RGB8, "bgr"), rgb)
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(from_memory(gray, RGB8, "bgr")[:, :, 1], gray)
    assert np.array_equal(from_memory(bgr, PixelFormat(channels=1), "bgr"), gray)


def test_other_formats(rgb):
    deep = PixelFormat(channels=5, dtype="uint16")
    image = np.ones((6, 7, 5), np.uint16)
    assert np.array_equal(from_memory(image, deep), image)
    assert np.array_equal(from_memory(torch.ones(5, 6, 7).to(torch.uint16), deep), image)
    four = with_alpha(rgb)
    assert np.array_equal(from_memory(four, PixelFormat(channels=4)), four)
    floats = PixelFormat(channels=1, dtype="float32")
    assert np.array_equal(
        from_memory(rgb[:, :, 0] / 255.0, floats), (rgb[:, :, 0] / 255).astype("f4")
    )
    with pytest.raises(ValueError, match=r"expected an array \(height, width, 5\), got .*\(6, 7\)"):
        from_memory(image[:, :, 0], deep)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5, 3)), r"got float64; values from 0 to 1 .*\(image \* 255\).astype"),
        (torch.zeros(3, 4, 5), r"got float32; .*\(tensor \* 255\).to\(torch.uint8\)"),
        (np.zeros((4, 5, 3), np.uint16), r"got uint16; \(image >> 8\).astype\('uint8'\) keeps"),
        (np.zeros((4, 5, 3), np.int64), r"got int64; image.astype\('uint8'\) keeps values from 0"),
        (np.zeros((4, 5), complex), "expected uint8, got complex128$"),
        (np.array([["a"]]), "expected uint8, got <U1$"),
        (np.zeros((3, 40, 50), np.uint8), r"shape \(3, 40, 50\); channels come last: image.transp"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"a batch goes in as a list of images: list\(images\)"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), "a batch goes in as a list of images"),
        (torch.zeros(3, 40, 3, dtype=torch.uint8), "may have its channels first or last"),
        (torch.zeros(2, 40, 50, dtype=torch.uint8), r"got shape \(2, 40, 50\)"),
        (torch.zeros(3, 4, 5, dtype=torch.bfloat16), "Tensor is no array of numbers"),
        (np.zeros((6, 5, 2), np.uint8), r"got shape \(6, 5, 2\)$"),
        (np.zeros((0, 5, 3), np.uint8), r"got shape \(0, 5, 3\)$"),
        (np.zeros(5, np.uint8), r"got shape \(5,\)$"),
        (b"", "image of 0 bytes: expected those of an image file"),
        (b"hello", "image of 5 bytes: expected those of an image file"),
    ],
)
def test_what_is_no_image(image, message):
    with pytest.raises(ValueError, match=message) as caught:
        from_memory(image, RGB8)
    assert "\n" not in str(caught.value)


def test_a_damaged_file(png):
    with pytest.raises(ValueError, match=r"image of \d+ bytes: not readable"):
        from_memory(png[: len(png) // 2], RGB8)


def test_what_reads_something_else():
    with pytest.raises(TypeError, match=r"StringIO.read\(\) gives str, expected the bytes"):
        from_memory(io.StringIO("text"), RGB8)
    with pytest.raises(TypeError, match=r"VideoCapture.read\(\) gives tuple, .* as a generator"):
        from_memory(cv2.VideoCapture(), RGB8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_mask_is_no_image(dtype):
    mask = np.ones((4, 5), bool)
    for image in (mask, torch.from_numpy(mask)):
        with pytest.raises(ValueError, match=rf"^image: expected {dtype}, got bool; a mask is no"):
            from_memory(image, PixelFormat(1, dtype))
    drawn = Image.fromarray(mask)  # a file of black and white is an image
    assert from_memory(drawn, PixelFormat(1)).tolist() == (mask * 255).tolist()


def test_files_that_are_not_open_for_reading_bytes(png, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    with path.open() as file, pytest.raises(TypeError, match=r"a.png is open as text, expected by"):
        from_memory(file, PixelFormat())
    message = "^source: BufferedWriter is not open for reading; "
    with path.open("ab") as file, pytest.raises(ValueError, match=message):
        from_memory(file, PixelFormat())
    with path.open("rb") as file:
        pass
    with pytest.raises(ValueError, match=r"^source: BufferedReader cannot be read: .* closed file"):
        from_memory(file, PixelFormat())


def test_a_tensor_without_numbers():
    image = torch.zeros(4, 5, 3, dtype=torch.uint8, device="meta")
    with pytest.raises(ValueError, match=r"^image: a tensor on the device meta holds no numbers; "):
        from_memory(image, PixelFormat())
