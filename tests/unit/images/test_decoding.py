"""Files written by OpenCV, Pillow, tifffile and numpy are read back as they were written."""

import builtins
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from condinst.datasets import LoadImageFromFile
from condinst.images.decoding import read_stored
from condinst.images.headers import read_header
from condinst.images.pixel_format import PixelFormat, to_display, to_gray
from condinst.images.sources import read_for_display, read_image

tifffile = pytest.importorskip("tifffile")
SIZE = (40, 52)
RNG = np.random.default_rng(0)


def noise(channels, dtype=np.uint8):
    return RNG.integers(0, 256 if dtype == np.uint8 else 65536, (*SIZE, channels)).astype(dtype)


def png(pixels):
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    return cv2.imencode(".png", pixels[:, :, order])[1].tobytes()


def tiff(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def npy(pixels):
    buffer = io.BytesIO()
    np.save(buffer, pixels)
    return buffer.getvalue()


def planes(pixels):
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


GRAY16, RGB16, FOUR8, FOUR16, FIVE16 = (
    noise(1, np.uint16),
    noise(3, np.uint16),
    noise(4),
    noise(4, np.uint16),
    noise(5, np.uint16),
)
FLOAT = RNG.normal(size=(*SIZE, 2)).astype(np.float32)
EXTRA = dict(photometric="rgb", extrasamples=["unspecified"])
MIN = dict(photometric="minisblack")
FILES = {
    "gray16.png": (png(GRAY16), GRAY16),
    "rgb16.png": (png(RGB16), RGB16),
    "rgba8.png": (png(FOUR8), FOUR8),
    "rgba16.png": (png(FOUR16), FOUR16),
    "gray16.tif": (tiff(GRAY16[:, :, 0]), GRAY16),
    "gray16_big.tif": (tiff(GRAY16[:, :, 0], bigtiff=True), GRAY16),
    "gray16_motorola.tif": (tiff(GRAY16[:, :, 0], byteorder=">"), GRAY16),
    "rgb16.tif": (tiff(RGB16, photometric="rgb"), RGB16),
    "rgbx8.tif": (tiff(FOUR8, **EXTRA), FOUR8),
    "rgbx16_deflated.tif": (tiff(FOUR16, compression="zlib", **EXTRA), FOUR16),
    "four16.tif": (tiff(FOUR16, planarconfig="contig", **MIN), FOUR16),
    "five16.tif": (tiff(FIVE16, planarconfig="contig", **MIN), FIVE16),
    "planes16.tif": (tiff(planes(FOUR16), planarconfig="separate", **MIN), FOUR16),
    "pages16.tif": (tiff(planes(FIVE16), **MIN), FIVE16),
    "imagej16.tif": (tiff(planes(FOUR16), imagej=True, metadata=dict(axes="CYX")), FOUR16),
    "float.tif": (tiff(FLOAT[:, :, 0]), FLOAT[:, :, :1]),
    "float2.tif": (tiff(FLOAT, planarconfig="contig", **MIN), FLOAT),
    "gray16.npy": (npy(GRAY16[:, :, 0]), GRAY16),
    "five16.npy": (npy(FIVE16), FIVE16),
    "float2.npy": (npy(FLOAT), FLOAT),
}


@pytest.mark.parametrize("name", FILES)
def test_all_channels_and_bits_are_read(name, tmp_path):
    data, expected = FILES[name]
    found = read_stored(data)
    assert found.pixels.dtype == expected.dtype
    assert np.array_equal(found.pixels, expected)
    assert found.orientation == 1
    assert found.alpha == name.startswith("rgba")
    path = tmp_path / name
    path.write_bytes(data)
    channels, dtype = expected.shape[2], str(expected.dtype)
    loaded = LoadImageFromFile(channels=channels, dtype=dtype)({"img_path": str(path)})
    shown = expected[:, :, 0] if channels == 1 else expected
    assert np.array_equal(loaded["img"], shown[..., ::-1] if channels == 3 else shown)
    assert loaded["img_shape"] == loaded["ori_shape"] == SIZE
    # predictors without PyTorch read the same; colors are RGB there
    assert np.array_equal(read_image(path, pixel_format=PixelFormat(channels, dtype)), shown)
    assert np.array_equal(
        read_for_display(path),
        to_display(expected[:, :, :3] if found.alpha else expected),
    )
    header = read_header(str(path))
    if name in ("four16.tif", "five16.tif", "float2.tif"):  # Pillow does not know these channels
        assert header is None
    else:
        assert (header.height, header.width) == SIZE


def test_pillow_s_and_libtiff_s_compressions():
    gray = noise(1)[:, :, 0]
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, "TIFF", compression="tiff_lzw")
    assert np.array_equal(read_stored(buffer.getvalue()).pixels[:, :, 0], gray)
    buffer = io.BytesIO()
    Image.fromarray(gray.astype(np.uint16) * 257).save(buffer, "TIFF", compression="tiff_lzw")
    assert np.array_equal(read_stored(buffer.getvalue()).pixels[:, :, 0], gray * np.uint16(257))
    buffer = io.BytesIO()
    Image.fromarray(FOUR8, "RGBA").save(buffer, "TIFF", compression="tiff_lzw")
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="imagecodecs"):
            read_stored(buffer.getvalue())
    else:
        assert np.array_equal(read_stored(buffer.getvalue()).pixels, FOUR8)


def load(path, **options):
    return LoadImageFromFile(**options)({"img_path": str(path)})["img"]


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
def test_gray_of_ordinary_files(datasets, tmp_path, backend):
    for path in sorted((datasets / "coco_tiny" / "train2017").glob("*.jpg"))[:3]:
        color = load(path, imdecode_backend=backend)
        gray = load(path, channels=1, imdecode_backend=backend)
        assert np.array_equal(gray, to_gray(color[..., ::-1]))
        assert np.array_equal(load(path, channels=3, imdecode_backend=backend), color)
        Image.fromarray(gray).save(tmp_path / "gray.png")
        assert np.array_equal(load(tmp_path / "gray.png", channels=1), gray)
        three = load(tmp_path / "gray.png", channels=3)
        assert np.array_equal(three, np.repeat(gray[:, :, None], 3, axis=2))


def test_orientation_of_16_bits(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(GRAY16[:, :, 0]).save(path, exif=exif)
    options = dict(channels=1, dtype="uint16")
    turned = np.rot90(GRAY16[:, :, 0], -1)
    assert np.array_equal(load(path, **options), turned)
    results = {"img_path": str(path), "height": SIZE[0], "width": SIZE[1]}
    assert np.array_equal(LoadImageFromFile(**options)(results)["img"], GRAY16[:, :, 0])
    found = read_image(path, SIZE, PixelFormat(**options))
    assert np.array_equal(found, GRAY16[:, :, 0])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rgba8.png", dict(channels=5), "4 channels, expected 5"),
        ("rgb16.png", dict(channels=4, dtype="uint16"), "3 channels, expected 4"),
        ("rgba8.png", dict(channels=4, dtype="uint16"), "8 bits, expected 16"),
        ("float.tif", dict(channels=1, dtype="uint16"), "no defined range"),
        ("five16.tif", dict(channels=1, dtype="uint16"), "5 channels, expected 1"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, name, options, message):
    path = tmp_path / name
    path.write_bytes(FILES[name][0])
    with pytest.raises(ValueError, match=rf"image file .*{name}: .*{message}"):
        load(path, **options)
    with pytest.raises(ValueError, match=rf"image file .*{name}: .*{message}"):
        read_image(path, pixel_format=PixelFormat(**options))


@pytest.mark.parametrize("name", ["five16.tif", "rgba16.png", "five16.npy", "gray16.png"])
@pytest.mark.filterwarnings("ignore")
def test_broken_files_are_named(tmp_path, name):
    path = tmp_path / name
    data, expected = FILES[name]
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=f"image file .*{name}: "):
        load(path, channels=expected.shape[2], dtype="uint16")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"{name}: the file is empty"):
        load(path, channels=expected.shape[2], dtype="uint16")


def test_a_stack_that_is_no_image_is_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((3, 2, *SIZE), np.uint16), imagej=True)
    with pytest.raises(ValueError, match=r"stack\.tif: a TIFF array \(3, 2, 40, 52\)"):
        load(path, channels=3, dtype="uint16")
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(ValueError, match=r"stack\.npy: an NPY array \(2, 3, 4, 5\)"):
        load(tmp_path / "stack.npy", channels=3, dtype="float32")


def test_without_tifffile_it_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "tifffile":
            raise ModuleNotFoundError(name, name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    path = tmp_path / "five16.tif"
    path.write_bytes(FILES["five16.tif"][0])
    with pytest.raises(ImportError, match=r"five16\.tif: .*pip install tifffile"):
        load(path, channels=5, dtype="uint16")


def test_color_type_and_channels_do_not_go_together():
    with pytest.raises(ValueError, match="color_type='grayscale'"):
        LoadImageFromFile(color_type="grayscale", channels=1)
