"""Images above the limit are refused by their headers, wherever they are read."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from condinst.datasets.transforms.load_image import LoadImageFromFile
from condinst.images.decoding import read_stored
from condinst.images.headers import read_header
from condinst.images.limit import VARIABLE, ImageTooLargeError, check_header, open_image
from condinst.images.sources import read_for_display, read_image


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


@pytest.fixture(scope="module")
def bomb(tmp_path_factory) -> Path:
    """20,000 x 20,000 black pixels in 389 KB."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.png"
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(20_000)
    data = b"".join(packer.compress(row) for _ in range(20_000)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


READERS = {
    "train": lambda path: LoadImageFromFile()({"img_path": str(path)}),
    "pillow": lambda path: LoadImageFromFile(imdecode_backend="pillow")({"img_path": str(path)}),
    "as stored": lambda path: LoadImageFromFile(channels=4)({"img_path": str(path)}),
    "deploy": read_image,
    "draw": read_for_display,
    "doctor": lambda path: read_header(str(path)),
    "tile": lambda path: read_stored(Path(path).read_bytes()),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_bomb_is_refused_by_its_header(bomb, reader):
    assert bomb.stat().st_size < 400_000
    with pytest.raises(ValueError, match=r"has 20000 x 20000 = 400,000,000 .*--max-pixels N"):
        reader(bomb)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp", "tif"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_the_limit_counts_pixels_of_every_format(tmp_path, monkeypatch, ending, reader):
    path = tmp_path / f"image.{ending}"
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path)
    monkeypatch.setenv(VARIABLE, "1199")
    with pytest.raises(ValueError, match=r"40 x 30 = 1,200 pixels, more than the 1,199"):
        reader(path)
    monkeypatch.setenv(VARIABLE, "1200")
    if reader is READERS["as stored"]:
        with pytest.raises(ValueError, match="channels"):
            reader(path)
    else:
        reader(path)


def test_pages_of_a_tiff_count(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((50, 20, 20), np.uint8))
    monkeypatch.setenv(VARIABLE, "4999")
    with pytest.raises(ImageTooLargeError, match="holds 20,000 values, more than the 19,996"):
        read_stored((tmp_path / "pages.tif").read_bytes())
    monkeypatch.setenv(VARIABLE, "5000")
    assert read_stored((tmp_path / "pages.tif").read_bytes()).pixels.shape == (20, 20, 50)


def test_a_raised_limit_is_above_pillows_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses twice as many
    Image.new("L", (30, 30)).save(tmp_path / "a.png")
    monkeypatch.setenv(VARIABLE, "900")
    assert read_image(tmp_path / "a.png").shape == (30, 30, 3)


def test_a_limit_that_is_none(monkeypatch):
    monkeypatch.setenv(VARIABLE, "many")
    with pytest.raises(ValueError, match="CONDINST_MAX_PIXELS='many': expected a number"):
        check_header(b"\x89PNG\r\n\x1a\n" + bytes(30))


def test_long_texts_in_a_png_are_nothing_to_its_pixels(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", "x" * 3_000_000, zip=True)
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=texts)
    with pytest.raises(ValueError, match="too large"):
        Image.open(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as image:
        assert image.size == (10, 10)
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n"])
def test_the_message_on_no_image_names_no_object_in_memory(content):
    with pytest.raises(OSError, match="^not an image, or one that Pillow cannot read$"):
        open_image(content)
