"""Decode an image file of any pixel format to 8-bit BGR, or refuse it.

mmcv decodes ordinary files, so that their bytes equal mmcv's. For all others, the rules are the
same with both backends: 16-bit values keep their upper byte (cv2 rounds in color TIFF), alpha is
dropped and never blended, CMYK and palettes are converted, and EXIF orientation is applied unless
the flag says otherwise. Where a backend does something else (measured with OpenCV 4.10 and 5.0,
Pillow 13), Pillow decodes the file and this module converts the pixels:

=================================  =======================  ==================================
file                               cv2                      pillow through mmcv
=================================  =======================  ==================================
16-bit grayscale                   upper byte               clipped to white
gray and alpha                     drops alpha              blends with a brown background
TIFF with alpha                    multiplies by alpha      drops alpha
32-bit integer, float              None, or wrong values    clipped to white or to black
JPEG cut off in the middle         4.x: rest is gray        raises
=================================  =======================  ==================================
"""

import cv2
import mmcv
import numpy as np
from PIL import ImageOps, UnidentifiedImageError

from condinst.images.decoding import check_range, has_16_bits, is_npy, read_stored, to_rgb
from condinst.images.limit import check_header, open_image
from condinst.images.pixel_format import PixelFormat, turn_upright

__all__ = ["decode_bgr", "decode_pixels"]

_COLOR_FLAGS = ("color", "color_ignore_orientation")
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"


def decode_bgr(data: bytes, flag: str, backend: str) -> np.ndarray:
    """Decode the bytes of a file.

    Args:
        data: the file's content.
        flag, backend: as for ``mmcv.imfrombytes``.

    Returns:
        (H, W, 3) uint8 BGR with the color flags and the backends cv2 and pillow; mmcv's result with
        other flags and backends.

    Raises:
        ValueError: the file cannot be decoded. The message gives the reason without the file's
            name.
    """
    if not data:
        raise ValueError("the file is empty")
    check_header(data)
    # After the header, the bytes FF D9 and FF DA are always markers, and an embedded thumbnail ends
    # before the image's own scan starts. So a whole JPEG has an end marker after its last scan.
    cut = data.startswith(_JPEG_START) and not data.endswith(_JPEG_END)
    if cut and data.rfind(_JPEG_END) <= data.rfind(_JPEG_SCAN):
        raise ValueError("the JPEG is truncated: its end-of-image marker is missing")
    image = None
    try:
        if flag in _COLOR_FLAGS and _may_be_unusual(data, backend):
            image = _decode_unusual(data, flag)
        if image is None:
            image = mmcv.imfrombytes(data, flag=flag, backend=backend)
    except UnidentifiedImageError:
        pass
    except ValueError:
        raise
    except Exception as error:  # each backend raises its own kinds
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if image is None:
        raise ValueError(f"truncated, or not an image that the backend {backend} can read")
    return image


def decode_pixels(data: bytes, flag: str, backend: str, pixel_format: PixelFormat) -> np.ndarray:
    """Decode the bytes of a file to an image of a pixel format; three channels come as BGR.

    :func:`decode_bgr` decodes 8-bit gray and colors; other formats keep the stored values.

    Args:
        data: the file's content.
        flag, backend: as for :func:`decode_bgr`; a color flag.
        pixel_format: format of the result.

    Raises:
        ValueError, ImportError: see :func:`decode_bgr` and
            :func:`~condinst.images.decoding.read_stored`.
    """
    if pixel_format.dtype == "uint8" and pixel_format.channels in (1, 3) and not is_npy(data):
        image = decode_bgr(data, flag, backend)
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if pixel_format.channels == 1 else image
    stored = read_stored(data)
    upright = 1 if flag.endswith("ignore_orientation") else stored.orientation
    image = pixel_format.fit(turn_upright(stored.pixels, upright), alpha=stored.alpha)
    return np.ascontiguousarray(pixel_format.to_loaded(image))


def _may_be_unusual(data: bytes, backend: str) -> bool:
    """Tell whether the file may have a pixel format that ``backend`` decodes wrongly."""
    if backend == "cv2":
        return not data.startswith((_JPEG_START, _PNG_START))
    return backend == "pillow" and not data.startswith(_JPEG_START)


def _decode_unusual(data: bytes, flag: str) -> np.ndarray | None:
    """Decode the pixel formats of the table above; return None for all others."""
    try:
        image = open_image(data)
    except UnidentifiedImageError:
        return None  # the backend may know the file, or reports the error itself
    check_range(image)
    alpha = image.mode in ("LA", "PA") or (image.format == "TIFF" and image.mode == "RGBA")
    if not (has_16_bits(image) or alpha):
        return None
    if flag == "color":
        image = ImageOps.exif_transpose(image)
    return np.ascontiguousarray(to_rgb(image)[:, :, ::-1])
