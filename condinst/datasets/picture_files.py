"""Which picture files are there, and the sizes in their headers."""

import os
from collections.abc import Sequence
from itertools import groupby

import cv2
from PIL import Image, UnidentifiedImageError

__all__ = ["header_size", "missing_files"]


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

    None for a picture that OpenCV reads and Pillow does not know. Raises ValueError, worded to
    follow the file's name, when it is not a picture.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width, image.getexif().get(0x0112, 1) >= 5
    except UnidentifiedImageError:
        if cv2.haveImageReader(path):
            return None
        reason = "empty" if os.path.getsize(path) == 0 else "not a picture"
        raise ValueError(reason) from None
    except Image.DecompressionBombError:
        return None
    except Exception as error:  # a broken header raises what the format's reader happens to raise
        raise ValueError(f"not readable: {type(error).__name__}: {error}") from None
