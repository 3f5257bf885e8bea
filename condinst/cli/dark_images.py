"""Note that 16-bit images use a small part of their range, where the model takes 8 bits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from condinst.images.decoding import read_stored
from condinst.images.limit import open_image
from condinst.images.pixel_format import PixelFormat
from condinst.utils.files import read_regular
from condinst.utils.words import counted

__all__ = ["note_on_dark_images"]

_SAMPLE = 3  # images that are read
_DARK = 1 << 14  # 14 bits: a quarter of the range
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # modes of Pillow


def note_on_dark_images(images: Sequence[Path], pixel_format: PixelFormat) -> str | None:
    """Return a sentence on 16-bit images that the model sees nearly black, such as 12-bit ones.

    Args:
        images: the files, of which the first, a middle and the last one are read.
        pixel_format: of the model. One of 8 bits takes the upper byte of 16 bits.

    Returns:
        None where nothing is to be said. Files that cannot be read are left to the prediction.
    """
    if pixel_format.dtype != "uint8" or not images:
        return None
    places = np.linspace(0, len(images) - 1, min(len(images), _SAMPLE)).astype(int)
    tops = [top for place in places if (top := _top(images[place])) is not None]
    if not tops or max(tops) >= _DARK or not max(tops):
        return None
    top = max(tops)
    factor = 1 << (16 - top.bit_length())
    return (
        f"the 16-bit images use {100 * top / 65535:.2g}% of their range (the largest value of "
        f"{counted(len(tops), 'image')} is {top:,} of 65,535). The model takes 8 bits, the upper "
        f"byte, and sees them nearly black: multiply their values by {factor} first "
        '(docs/inputs.md, "12 bits in files of 16")'
    )


def _top(path: Path) -> int | None:
    """Return the largest value of a 16-bit image; None for another file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they come again when the image is predicted
        try:
            pixels = read_stored(read_regular(path)).pixels if _may_be_deep(path) else None
        except (OSError, ValueError, ImportError):
            return None
    if pixels is None or pixels.dtype != np.uint16 or not pixels.size:
        return None
    return int(pixels.max())


def _may_be_deep(path: Path) -> bool:
    """Tell by the header whether an image may have 16 bits; reading all pixels takes longer."""
    try:
        with open_image(path) as image:
            raw = str(image.tile[0][3]) if image.tile else ""
            return image.mode not in _EIGHT_BITS or ";16" in raw
    except Exception:  # Pillow does not know the format, such as NPY
        return path.suffix.lower() in (".npy", ".tif", ".tiff")
