"""Which image files are there, and the sizes in their headers."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from condinst.images.limit import ImageTooLargeError, open_image
from condinst.utils.files import check_regular

__all__ = ["ImageHeader", "header_size", "missing_files", "read_header"]


@dataclass(frozen=True)
class ImageHeader:
    """What an image file says of itself before its pixels."""

    height: int  # as stored, before EXIF orientation
    width: int
    orientation: int  # EXIF: 1 upright, 2 to 4 mirrored or upside down, 5 to 8 sides swapped
    format: str  # Pillow's names: "JPEG", "PNG"
    mode: str  # Pillow's: "RGB", "L", "P", "I;16"
    bits: int  # of one channel, as stored


def missing_files(paths: Sequence[str]) -> list[str]:
    """The paths without a file, found by listing folders: one call each instead of one per file.

    What a listing lacks is asked for by name, because some file systems ignore case.
    """
    missing: list[str] = []
    for folder, group in groupby(sorted(paths, key=os.path.dirname), key=os.path.dirname):
        try:
            present = set(os.listdir(folder or os.curdir))
        except OSError:
            missing += group
            continue
        absent = (path for path in group if os.path.basename(path) not in present)
        missing += [path for path in absent if not os.path.isfile(path)]
    return missing


def header_size(path: str) -> tuple[int, int, bool] | None:
    """Height and width as stored, and whether EXIF orientation swaps them for the viewer.

    None and ValueError as :func:`read_header` has them.
    """
    header = read_header(path)
    if header is None:
        return None
    return header.height, header.width, header.orientation >= 5


def read_header(path: str) -> ImageHeader | None:
    """The header of an image file.

    None for an image that OpenCV reads and Pillow does not know. Raises ValueError, worded to
    follow the file's name, when it is not an image.
    """
    try:
        if path.lower().endswith(".npy"):
            return _npy_header(path)
        with suppress(FileNotFoundError):
            check_regular(path)
        with open_image(path) as image:
            bits = _bits(image)  # getexif reads a PNG to its end, and its decoder is gone then
            return ImageHeader(
                height=image.height,
                width=image.width,
                orientation=image.getexif().get(0x0112, 1),
                format=image.format or "",
                mode=image.mode,
                bits=bits,
            )
    except UnidentifiedImageError:
        if cv2.haveImageReader(path):
            return None
        reason = "empty" if os.path.getsize(path) == 0 else "not an image"
        raise ValueError(reason) from None
    except ImageTooLargeError:
        raise
    except Exception as error:  # a broken header raises what the format's reader happens to raise
        raise ValueError(f"not readable: {type(error).__name__}: {error}") from None


def _npy_header(path: str) -> ImageHeader:
    """Of an array (H, W) or (H, W, C); the mode is ``C x type``."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim not in (2, 3):
        raise ValueError(f"an array {array.shape}, expected (height, width[, channels])")
    channels = array.shape[2] if array.ndim == 3 else 1
    return ImageHeader(
        height=array.shape[0],
        width=array.shape[1],
        orientation=1,
        format="NPY",
        mode=f"{channels} x {array.dtype}",
        bits=8 * array.dtype.itemsize,
    )


def _bits(image: Image.Image) -> int:
    """Bits of one channel; of 16-bit RGB Pillow's mode says 8, and only its decoder knows."""
    if image.mode == "1":
        return 1
    if image.mode.startswith("I;16") or any(
        ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
    ):
        return 16
    return 32 if image.mode in ("I", "F") else 8
