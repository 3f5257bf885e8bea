"""Find missing image files, and read image sizes from headers."""

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
    """The header of an image file, read without its pixels.

    Attributes:
        height, width: stored size, before EXIF orientation.
        orientation: EXIF orientation: 1 upright, 2 to 4 mirrored or upside down, 5 to 8 sides
            swapped.
        format: Pillow's name of the format: "JPEG", "PNG".
        mode: Pillow's mode: "RGB", "L", "P", "I;16".
        bits: stored bits of one channel.
    """

    height: int
    width: int
    orientation: int
    format: str
    mode: str
    bits: int


def missing_files(paths: Sequence[str]) -> list[str]:
    """Return the paths that have no file.

    Folders are listed, with one call per folder instead of one per file. A file that a listing
    lacks is then checked by name, because some file systems ignore case.
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
    """Return the stored height and width, and whether EXIF orientation swaps them.

    Returns None and raises ValueError as :func:`read_header` does.
    """
    header = read_header(path)
    if header is None:
        return None
    return header.height, header.width, header.orientation >= 5


def read_header(path: str) -> ImageHeader | None:
    """Read the header of an image file.

    Returns:
        The header; None for an image that OpenCV reads and Pillow does not know.

    Raises:
        ValueError: the file is not an image. The message is worded to follow the file's name.
    """
    try:
        if path.lower().endswith(".npy"):
            return _npy_header(path)
        with suppress(FileNotFoundError):
            check_regular(path)
        with open_image(path) as image:
            bits = _bits(
                image
            )  # before getexif, which reads a PNG to its end and drops the decoder
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
    except Exception as error:  # each format's reader raises its own errors for a broken header
        raise ValueError(f"not readable: {type(error).__name__}: {error}") from None


def _npy_header(path: str) -> ImageHeader:
    """Read the header of an array (H, W) or (H, W, C); the mode is ``C x type``."""
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
    """Return the bits of one channel; for 16-bit RGB only Pillow's decoder has the right number."""
    if image.mode == "1":
        return 1
    if image.mode.startswith("I;16") or any(
        ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
    ):
        return 16
    return 32 if image.mode in ("I", "F") else 8
