import io

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from PIL import Image

from condinst.datasets import LoadImageFromFile

BACKENDS = ("cv2", "pillow")


def smooth(height=48, width=64) -> np.ndarray:
    """An image without sharp edges, RGB, so that JPEG changes it by a few levels only."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 40 + 3 * x, 20 + 4 * y
    return np.stack([red, green, 255 - 2 * x - y], axis=2).clip(0, 255).astype(np.uint8)


RGB = smooth()
GRAY = RGB[..., 0]
ALPHA = np.where(np.arange(64) < 32, 255, 0).astype(np.uint8) * np.ones((48, 1), np.uint8)
PALETTE = Image.fromarray(RGB).quantize(64)
SIXTEEN = GRAY.astype(np.uint16) * 256 + 200  # the low byte must not round anything up


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cv2_encoded(array: np.ndarray, extension: str) -> bytes:
    return cv2.imencode(extension, array)[1].tobytes()


def three(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[:, :, None], 3, axis=2)


def odd_files() -> dict[str, tuple[bytes, np.ndarray, int]]:
    """File name -> bytes, the RGB expected, the largest difference allowed."""
    color, gray = Image.fromarray(RGB), Image.fromarray(GRAY)
    rgba = Image.fromarray(np.dstack([RGB, ALPHA]))
    gray_alpha = Image.fromarray(np.dstack([GRAY, ALPHA]), "LA")
    one_bit = gray.convert("1")
    palette = np.array(PALETTE.convert("RGB"))
    sixteen_color = RGB.astype(np.uint16)[..., ::-1] * 256 + 200
    best = {"quality": 98, "subsampling": 0}
    files = {
        "gray.png": (encoded(gray, "PNG"), three(GRAY), 0),
        "gray.jpg": (encoded(gray, "JPEG", quality=98), three(GRAY), 3),
        "gray_alpha.png": (encoded(gray_alpha, "PNG"), three(GRAY), 0),
        "gray_alpha.tif": (encoded(gray_alpha, "TIFF"), three(GRAY), 0),
        "rgba.png": (encoded(rgba, "PNG"), RGB, 0),
        "rgba.tif": (encoded(rgba, "TIFF"), RGB, 0),
        "palette.png": (encoded(PALETTE, "PNG"), palette, 0),
        "palette_transparent.png": (encoded(PALETTE, "PNG", transparency=3), palette, 0),
        "palette.tif": (encoded(PALETTE, "TIFF"), palette, 0),
        "one_bit.png": (encoded(one_bit, "PNG"), three(np.array(one_bit) * np.uint8(255)), 0),
        "one_bit.tif": (encoded(one_bit, "TIFF"), three(np.array(one_bit) * np.uint8(255)), 0),
        "cmyk.jpg": (encoded(color.convert("CMYK"), "JPEG", **best), RGB, 6),
        "cmyk.tif": (encoded(color.convert("CMYK"), "TIFF"), RGB, 1),
        "sixteen.png": (encoded(Image.fromarray(SIXTEEN), "PNG"), three(GRAY), 0),
        "sixteen.tif": (encoded(Image.fromarray(SIXTEEN), "TIFF"), three(GRAY), 0),
        "sixteen.pgm": (encoded(Image.fromarray(SIXTEEN), "PPM"), three(GRAY), 0),
        "sixteen_color.png": (cv2_encoded(sixteen_color, ".png"), RGB, 0),
        "sixteen_color.tif": (cv2_encoded(sixteen_color, ".tif"), RGB, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned clockwise by 90 degrees
    turned = np.rot90(RGB, -1)
    files["exif.jpg"] = (encoded(color, "JPEG", exif=exif, **best), turned, 6)
    sixteen = Image.fromarray(SIXTEEN)
    files["exif_sixteen.png"] = (encoded(sixteen, "PNG", exif=exif), three(np.rot90(GRAY, -1)), 0)
    return files


FILES = odd_files()


def load(path, backend="cv2", size=None, **options):
    results = {"img_path": str(path)}
    if size is not None:
        results["height"], results["width"] = size
    return LoadImageFromFile(imdecode_backend=backend, **options)(results)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", FILES)
def test_odd_formats_become_bgr_of_8_bit(tmp_path, name, backend):
    data, expected, tolerance = FILES[name]
    (tmp_path / name).write_bytes(data)
    results = load(tmp_path / name, backend)
    image = results["img"]
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected[..., ::-1]).max() <= tolerance
    assert results["img_shape"] == results["ori_shape"] == expected.shape[:2]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_a_range_are_refused(tmp_path, backend, dtype):
    path = tmp_path / "depth.tif"
    Image.fromarray(GRAY.astype(dtype)).save(path)
    with pytest.raises(ValueError, match=r"depth\.tif: (floating point|32-bit integer) pixels"):
        load(path, backend)


def whole(extension: str) -> bytes:
    return cv2_encoded(smooth(240, 320), extension)


BROKEN = {
    "empty.jpg": b"",
    "text.jpg": b"this is not an image, it only says so\n" * 50,
    "half.jpg": whole(".jpg")[: len(whole(".jpg")) // 2],
    "header.jpg": whole(".jpg")[:100],
    "no_end.jpg": whole(".jpg")[:-2],
    "half.png": whole(".png")[: len(whole(".png")) // 2],
    "half.bmp": whole(".bmp")[: len(whole(".bmp")) // 2],
    "half.tif": whole(".tif")[: len(whole(".tif")) // 2],
    "half.webp": whole(".webp")[: len(whole(".webp")) // 2],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
def test_a_broken_file_is_one_error_that_names_it(tmp_path, name, backend):
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        load(tmp_path / name, backend)
    assert load(tmp_path / name, backend, ignore_empty=True) is None


def test_a_truncated_jpeg_is_refused_before_a_decoder_that_would_fill_it(tmp_path, monkeypatch):
    """OpenCV 4 paints the missing half gray and reports success."""
    data = whole(".jpg")
    filled = np.zeros((240, 320, 3), np.uint8)
    monkeypatch.setattr(mmcv, "imfrombytes", lambda *args, **kwargs: filled)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="the JPEG is truncated"):
        load(path)
    # bytes after the end marker harm nobody, also when they look like markers of a scan's end
    path.write_bytes(data + b"\x00\x00 trailing")
    assert load(path)["img"] is filled


def test_a_thumbnail_does_not_hide_that_the_image_is_cut(tmp_path):
    thumbnail = whole(".jpg")
    data = whole(".jpg")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = data[:2] + segment + data[2:]
    path = tmp_path / "camera.jpg"
    path.write_bytes(with_thumbnail)
    assert load(path)["img"].shape == (240, 320, 3)
    path.write_bytes(with_thumbnail[: -len(data) // 2])
    with pytest.raises(ValueError, match="the JPEG is truncated"):
        load(path)


@pytest.mark.parametrize("options", [{}, {"backend_args": {"backend": "local"}}])
def test_a_missing_file_is_named(tmp_path, options):
    with pytest.raises(FileNotFoundError, match=r"not found: .*gone\.jpg"):
        load(tmp_path / "gone.jpg", **options)
    assert load(tmp_path / "gone.jpg", ignore_empty=True, **options) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_orientation_is_the_annotations(tmp_path, backend):
    data, turned, _ = FILES["exif.jpg"]
    path = tmp_path / "phone.jpg"
    path.write_bytes(data)
    upright = load(path, backend, size=turned.shape[:2])["img"]
    stored = load(path, backend, size=RGB.shape[:2])["img"]
    assert np.abs(upright.astype(int) - turned[..., ::-1]).max() <= 6
    assert np.abs(stored.astype(int) - RGB[..., ::-1]).max() <= 6
    flat = load(path, backend, size=turned.shape[:2], color_type="color_ignore_orientation")
    assert np.array_equal(flat["img"], upright)


@pytest.mark.parametrize("size", [(64, 48), (48, 65), (96, 128)])
def test_another_size_than_the_annotations_is_refused(tmp_path, size):
    path = tmp_path / "plain.png"
    Image.fromarray(RGB).save(path)
    message = rf"plain\.png: the image is 64 x 48 .* say {size[1]} x {size[0]}"
    with pytest.raises(ValueError, match=message):
        load(path, size=size)
    assert load(path, size=(48, 64))["img"].shape == (48, 64, 3)


def test_mmcv_s_options_work(tmp_path):
    path = tmp_path / "plain.png"
    Image.fromarray(RGB).save(path)
    assert load(path, to_float32=True)["img"].dtype == np.float32
    assert load(path, color_type="grayscale")["img"].shape == (48, 64)
    rgba = tmp_path / "rgba.png"
    rgba.write_bytes(FILES["rgba.png"][0])
    assert load(rgba, color_type="unchanged")["img"].shape == (48, 64, 4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_ordinary_files_give_mmcv_s_bytes(datasets, tmp_path, backend):
    paths = sorted((datasets / "coco_tiny" / "train2017").glob("*.jpg"))[:12]
    assert len(paths) == 12
    for index, path in enumerate(paths[:3]):
        Image.open(path).convert("RGB").save(tmp_path / f"{index}.png")
    for path in [*paths, *sorted(tmp_path.glob("*.png"))]:
        theirs = MMCVLoadImageFromFile(imdecode_backend=backend)({"img_path": str(path)})
        assert np.array_equal(load(path, backend)["img"], theirs["img"])
