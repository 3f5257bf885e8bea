"""Read masks that numpy saved: label maps and stacks of masks, without running pickled code."""

from __future__ import annotations

import math
import os
import re
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from condinst.utils.files import check_regular

__all__ = ["ARRAY_SUFFIXES", "is_pickled", "read_mask_array"]

ARRAY_SUFFIXES = (".npy", ".npz")
_MAX_BYTES = 1 << 31
_MAX_HEADER = 10_000
_NAMES = ("masks", "mask", "labels", "label", "label_map", "instances", "segmentation", "arr_0")
_CLASSES = re.compile(r"class|categor|(^|_)labels?(_|\.)", re.IGNORECASE).search


def is_pickled(path: Path) -> bool:
    """Tell whether an .npy file holds pickled Python objects, as Cellpose's ``_seg.npy``."""
    try:
        check_regular(path)
        with open(path, "rb") as file:
            return bool(_header(file)[1].hasobject)
    except (OSError, ValueError):
        return False


def read_mask_array(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Return the masks of an .npy or .npz file.

    The header is checked against the image before any value is read.

    Args:
        path: the file.
        size: height and width of the image.

    Returns:
        (H, W) numbers as stored, or an (N, H, W) bool stack with N of 2 or more. H and W are those
        of the image, or exchanged.

    Raises:
        ValueError: the file is broken, holds pickled objects, or has another shape.
    """
    try:
        check_regular(path)
        array = _read(path, size)
    except ValueError as error:
        raise ValueError(f"mask file {path}: {error}") from None
    except Exception as error:  # zlib, zipfile and numpy raise their own error types
        raise ValueError(f"mask file {path}: not readable: {error}") from None
    if array.ndim == 2:
        return array
    try:
        return _stack(array, size)
    except ValueError as error:
        raise ValueError(f"mask file {path}: {error}") from None


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        with open(path, "rb") as file:
            return _array(file, os.path.getsize(path), size)
    with zipfile.ZipFile(path) as archive:
        names = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        known = [info for info in names if info.filename.removesuffix(".npy") in _NAMES]
        chosen = names if len(names) == 1 else known
        if len(chosen) != 1:
            listed = ", ".join(info.filename.removesuffix(".npy") for info in names[:6])
            raise ValueError(
                f"it has {len(names)} arrays ({listed}), expected one, or one named masks"
            )
        classes = [
            info.filename for info in names if info not in chosen and _CLASSES(info.filename)
        ]
        if classes:
            raise ValueError(
                f"its array {classes[0].removesuffix('.npy')} looks like the classes of the "
                "masks, which are not read; save label maps of classes for --masks classes, or "
                "COCO json; if there is one class only, save the masks alone"
            )
        with archive.open(chosen[0]) as file:
            return _array(file, chosen[0].file_size, size)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    readers: dict[tuple[int, int], Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"expected version 1 or 2 of the format, got {version}")
    shape, _, dtype = readers[version](file, max_header_size=_MAX_HEADER)
    return shape, dtype


def _array(file: IO[bytes], length: int, size: tuple[int, int]) -> np.ndarray:
    shape, dtype = _header(file)
    if dtype.hasobject:
        raise ValueError(
            "it holds pickled Python objects, which are not read; save a plain array of numbers"
        )
    if dtype.kind not in "buif":
        raise ValueError(f"expected numbers, got {dtype}")
    sides = [shape[1:], shape[:2]] if len(shape) == 3 else [shape]
    if size not in sides and size[::-1] not in sides:
        raise ValueError(
            f"an array {' x '.join(map(str, shape)) or 'without a shape'}, expected {size[0]} x "
            f"{size[1]} (height x width of its image), or a stack N x {size[0]} x {size[1]}"
        )
    needed = math.prod(shape) * dtype.itemsize
    if needed > _MAX_BYTES:
        raise ValueError(
            f"an array {' x '.join(map(str, shape))} of {dtype}, larger than {_MAX_BYTES >> 30} GiB"
        )
    if length < file.tell() + needed:
        raise ValueError(f"it ends after {length} bytes, its header promises more")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False, max_header_size=_MAX_HEADER)


def _stack(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return what a 3-D array holds: (H, W) for one mask, else (N, H, W) bool.

    The masks lie along the first axis, or along the last where the first does not fit.
    """
    turned = size[::-1]
    if array.shape[1:] not in (size, turned):
        array = np.moveaxis(array, 2, 0)
    if len(array) == 1:
        return array[0]
    if array.dtype.kind != "b":
        top = array.max(axis=(1, 2), initial=0)
        if not all(
            ((mask == 0) | (mask == most)).all() for mask, most in zip(array, top, strict=True)
        ):
            raise ValueError(
                f"a stack of {len(array)} with several values in one mask; expected labels H x W, "
                "or masks N x H x W of one object each"
            )
        if len(array) in (3, 4) and all(np.array_equal(array[0], mask) for mask in array[1:3]):
            raise ValueError(
                "a mask in colors, each channel the same; save one channel, height x width"
            )
        array = array != 0
    return array
