"""Read the stored pixels of an image file: all channels, all bits.

Pillow reads most files. tifffile reads TIFF files with more than 4 channels, with several 16-bit
channels, floats, planes or pages, because Pillow refuses them or drops channels, and OpenCV drops
channels silently. OpenCV reads 16-bit color PNG, because Pillow keeps only 8 of its bits. NPY files
hold (H, W) or (H, W, C).
"""

from __future__ import annotations

import io
import math
from typing import Any, NamedTuple

import numpy as np

from condinst.images.limit import ImageTooLargeError, check_size, open_image
from condinst.utils.optional import import_failure

__all__ = [
    "StoredPixels",
    "check_range",
    "from_pillow",
    "has_16_bits",
    "is_npy",
    "read_stored",
    "to_rgb",
]

_NPY_START = b"\x93NUMPY"
_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")  # the last two: BigTIFF
_ORIENTATION = 0x0112
_SAMPLES_PER_PIXEL = 277


class StoredPixels(NamedTuple):
    """The content of an image file.

    Attributes:
        pixels: (H, W, C), colors as RGB.
        alpha: whether the last channel is alpha.
        orientation: EXIF orientation, 1 for upright; it has not been applied.
    """

    pixels: np.ndarray
    alpha: bool
    orientation: int


def is_npy(data: bytes) -> bool:
    """Tell whether the bytes begin like an NPY file."""
    return data.startswith(_NPY_START)


def read_stored(data: bytes) -> StoredPixels:
    """Decode the bytes of a file.

    Raises:
        ValueError: the file is not an image, is broken, or is of a kind that is not supported. The
            message gives the reason without the file's name.
        ImportError: a TIFF file needs tifffile (or imagecodecs, if compressed).
    """
    if not data:
        raise ValueError("the file is empty")
    if is_npy(data):
        return _read_npy(data)
    image: Any = None
    try:
        image = open_image(data)
    except ImageTooLargeError:
        raise
    except Exception as error:  # each format's reader raises its own kinds
        if not data.startswith(_TIFF_STARTS):
            raise ValueError(f"not readable: {error}") from error
    if data.startswith(_TIFF_STARTS) and not (image is not None and _is_plain_tiff(image)):
        return _read_tiff(data)
    assert image is not None
    deep = image.mode in ("RGB", "RGBA") and ";16" in _raw_mode(image)
    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1))  # reads the pixels of a PNG
        if deep:
            return _read_deep_color(data, orientation)
        return from_pillow(image, orientation)
    except ImportError:
        raise
    except Exception as error:  # a broken file
        raise ValueError(f"not readable: {type(error).__name__}: {error}") from error


def _raw_mode(image: Any) -> str:
    return str(image.tile[0][3]) if image.tile else ""


def _is_plain_tiff(image: Any) -> bool:
    """Tell whether Pillow returns all pixels of a TIFF file unchanged."""
    samples = {"1": 1, "L": 1, "P": 1, "I;16": 1, "I;16B": 1, "F": 1, "RGB": 3, "CMYK": 4}
    stored = image.tag_v2.get(_SAMPLES_PER_PIXEL, 1)
    plain = stored == samples.get(image.mode) and ";16" not in _raw_mode(image).replace("I;16", "")
    return plain and getattr(image, "n_frames", 1) == 1


def from_pillow(image: Any, orientation: int) -> StoredPixels:
    """Return all channels and bits that Pillow has of an image.

    Args:
        image: a PIL image.
        orientation: its EXIF orientation, stored in the result.
    """
    alpha = False
    if image.mode in ("P", "PA"):
        alpha = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if alpha else "RGB")
    elif image.mode == "LA" or image.mode == "RGBA":
        alpha = True
    elif image.mode not in ("1", "L", "RGB", "F", "I") and not image.mode.startswith("I;16"):
        image = image.convert("RGB")  # CMYK, YCbCr, Lab, HSV
    pixels = np.asarray(image)
    if image.mode == "I" and image.format in ("PNG", "PPM"):  # 16 bits, though Pillow says 32
        pixels = pixels.astype(np.uint16)
    elif image.mode.startswith("I;16"):
        pixels = pixels.astype(np.uint16, copy=False)  # to the machine's byte order
    return StoredPixels(pixels.reshape(*pixels.shape[:2], -1), alpha, orientation)


def has_16_bits(image: Any) -> bool:
    """Tell whether a PIL image is 16-bit grayscale (Pillow calls some of them 32-bit)."""
    return image.mode == "I" or image.mode.startswith("I;16")


def to_rgb(image: Any) -> np.ndarray:
    """Convert a PIL image of any mode to (H, W, 3) uint8 RGB.

    16-bit values keep their upper byte, and alpha is dropped.

    Raises:
        ValueError: the pixels have no defined range.
    """
    check_range(image)
    if has_16_bits(image):
        gray = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def check_range(image: Any) -> None:
    """Refuse a PIL image of floats or of 32-bit integers."""
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        kind = "floating point" if image.mode == "F" else "32-bit integer"
        raise ValueError(f"{kind} pixels have no defined range; convert the file to 8 or 16 bit")


def _read_deep_color(data: bytes, orientation: int) -> StoredPixels:
    try:
        import cv2
    except ImportError as error:
        raise import_failure(
            "16-bit color PNG needs OpenCV", "cv2", "pip install opencv-python", error
        ) from error
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError("OpenCV cannot read it")
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return StoredPixels(pixels[:, :, order], pixels.shape[2] == 4, orientation)


def _read_npy(data: bytes) -> StoredPixels:
    try:
        pixels = np.load(io.BytesIO(data), allow_pickle=False, max_header_size=10_000)
    except Exception as error:  # a truncated header, or pickled objects
        raise ValueError(f"not readable as NPY: {error}") from error
    if pixels.ndim not in (2, 3):
        raise ValueError(
            f"an NPY array {pixels.shape}, expected (height, width) or (height, width, channels)"
        )
    return StoredPixels(pixels.reshape(*pixels.shape[:2], -1), False, 1)


def _read_tiff(data: bytes) -> StoredPixels:
    try:
        import tifffile
    except ImportError as error:
        raise import_failure(
            "TIFF files of these channels need tifffile", "tifffile", "pip install tifffile", error
        ) from error
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            sizes = dict(zip(series.axes, series.shape, strict=True))
            check_size(sizes.get("X", 1), sizes.get("Y", 1), math.prod(series.shape))
            pixels, axes, page = series.asarray(), series.axes, file.pages[0]
            orientation = page.tags.get(_ORIENTATION)
            extra = tuple(int(kind) for kind in getattr(page, "extrasamples", ()))
    except ImageTooLargeError:
        raise
    except Exception as error:
        if "imagecodecs" in str(error):
            raise ImportError(f"{error}: pip install imagecodecs") from error
        raise ValueError(f"not readable as TIFF: {error}") from error
    return StoredPixels(
        _with_channels_last(pixels, axes),
        # only unassociated alpha (2): associated alpha (1) has multiplied the colors, which cannot
        # be undone where it is 0
        alpha=extra == (2,),
        orientation=int(orientation.value) if orientation else 1,
    )


def _with_channels_last(pixels: np.ndarray, axes: str) -> np.ndarray:
    """Move the channels last.

    ``axes`` are tifffile's letters: Y, X, and at most one more axis of several entries (samples or
    pages).
    """
    shape = pixels.shape
    keep = [i for i, axis in enumerate(axes) if axis in "YX" or pixels.shape[i] > 1]
    pixels, axes = pixels.reshape([pixels.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    rest = axes.replace("Y", "").replace("X", "")
    if "Y" not in axes or "X" not in axes or len(rest) > 1:
        raise ValueError(
            f"a TIFF array {shape} of axes {axes!r}, expected rows, columns and at most "
            "one axis of channels"
        )
    if not rest:
        return pixels[:, :, None]
    return np.ascontiguousarray(np.moveaxis(pixels, axes.index(rest), -1))
