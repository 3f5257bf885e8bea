"""The limit on image size, checked in the header before memory is allocated for the pixels."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

from PIL import Image, UnidentifiedImageError

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "VARIABLE",
    "ImageTooLargeError",
    "check_header",
    "check_size",
    "max_pixels",
    "open_image",
]

# 268 million: 16,384 x 16,384. That is 0.8 GB as 8-bit colors, and a pipeline makes a few copies.
# Aerial images of 10,000 x 10,000 pass. A file of a few hundred KB may unpack to far more.
DEFAULT_MAX_PIXELS = 2**28
VARIABLE = "CONDINST_MAX_PIXELS"

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


class ImageTooLargeError(ValueError):
    """Raised for an image with more pixels than the limit."""


def max_pixels() -> int:
    """Return the largest number of pixels of an image that is read.

    The limit is in an environment variable, because data workers and started processes read images
    too.

    Raises:
        ValueError: the variable is not a whole number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return DEFAULT_MAX_PIXELS
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"environment variable {VARIABLE}={text!r}: expected a number of pixels")
    return int(text)


def check_size(width: int, height: int, values: int | None = None) -> None:
    """Check that an image does not have too many pixels.

    Args:
        width, height: size of the image.
        values: how many numbers the image holds, if it can have more than 4 per pixel.

    Raises:
        ImageTooLargeError: the image is too large. The message is worded to follow the file's name.
    """
    limit = max_pixels()
    if width * height > limit:
        raise ImageTooLargeError(
            f"has {width} x {height} = {width * height:,} pixels, more than the {limit:,} that are "
            f"read; {_advice()}"
        )
    if values is not None and values > 4 * limit:
        raise ImageTooLargeError(
            f"holds {values:,} values, more than the {4 * limit:,} that are read; {_advice()}"
        )


def open_image(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """Open a file, or a file's bytes, with Pillow and check its size.

    Raises:
        ImageTooLargeError: the image has too many pixels.
        Exception: Pillow's errors for a file that it cannot read.
    """
    limit = max_pixels()
    if Image.MAX_IMAGE_PIXELS is not None and limit > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limit  # or Pillow would refuse images that this limit allows
    try:
        image = _open(source)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageTooLargeError(
            f"has more than the {limit:,} pixels that are read; {_advice()}"
        ) from None
    try:
        check_size(*image.size)
    except ImageTooLargeError:
        image.close()
        raise
    return image


def check_header(data: bytes) -> None:
    """Check the size in a file's header, for decoders that do not check it themselves.

    Files that Pillow does not know pass; the decoder deals with them.

    Raises:
        ImageTooLargeError: see :func:`check_size`.
    """
    if data.startswith(_PNG_START) and len(data) >= 24:
        check_size(*struct.unpack(">II", data[16:24]))
        return
    try:
        image = _open(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        open_image(data).close()
    except Exception:  # the decoder reports the error
        return
    else:
        check_size(*image.size)


def _open(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """Open an image, and drop PNG texts that Pillow finds too long: they do not affect pixels."""
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except UnidentifiedImageError:  # Pillow's text names an object in memory
        raise UnidentifiedImageError("not an image, or one that Pillow cannot read") from None
    except ValueError:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        if not data.startswith(_PNG_START):
            raise
        return Image.open(io.BytesIO(_without_texts(data)))


def _without_texts(data: bytes) -> bytes:
    kept, place = [data[:8]], 8
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] not in _PNG_TEXTS:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _advice() -> str:
    return f"--max-pixels N or the environment variable {VARIABLE} raises the limit"
