"""Sources of images: files, folders, videos, arrays, and iterables of them.

The module needs numpy and pillow alone; videos need OpenCV.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from condinst.images.decoding import from_pillow, is_npy, read_stored
from condinst.images.limit import check_size, open_image
from condinst.images.pixel_format import PixelFormat, to_display, turn_upright
from condinst.utils.files import check_regular, read_regular

__all__ = [
    "VIDEO_SUFFIXES",
    "check_array",
    "check_video",
    "is_single",
    "list_folder",
    "read_for_display",
    "read_image",
    "read_video",
    "single_images",
    "to_pixels",
    "to_rgb",
]

IMAGE_SUFFIXES = {
    *(".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
_RGB8 = PixelFormat()

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}


def is_single(source: Any) -> bool:
    """Tell whether a source is one image: an array, a PIL image, or the path of an image file."""
    if isinstance(source, str | os.PathLike):
        return not Path(source).is_dir() and Path(source).suffix.lower() not in VIDEO_SUFFIXES
    return isinstance(source, np.ndarray | Image.Image)


def single_images(source: Any) -> Iterator[Any]:
    """Yield the images of a source one by one: paths, arrays and PIL images.

    Args:
        source: a path, an array or a PIL image; the path of a folder (its image files by name,
            without subfolders) or of a video (its frames); or an iterable of such sources.

    Raises:
        FileNotFoundError: a video does not exist.
        ValueError: a folder has no images, or a video cannot be read.
        TypeError: the source is something else.
    """
    if is_single(source):
        yield source
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        yield from list_folder(path) if path.is_dir() else read_video(path)
    elif isinstance(source, Iterable) and not isinstance(source, bytes | dict):
        for item in source:
            yield from single_images(item)
    else:
        raise TypeError(
            "source: expected a path, an (H, W, 3) array, a PIL image, or a list or generator of "
            f"such, got {type(source).__name__}"
        )


def list_folder(folder: Path) -> list[Path]:
    """List the image files of a folder by name.

    Raises:
        ValueError: the folder has no images.
    """
    named = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    # a path that is neither folder nor file raises an error when it is read; do not drop it here
    found = sorted(p for p in named if not p.is_dir())
    if not found:
        raise ValueError(f"folder {folder}: expected images, found no file with an image's suffix")
    return found


def read_video(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file cannot be read.
        ImportError: OpenCV is not installed.
    """
    check_video(path)
    try:
        import cv2
    except ImportError as error:
        raise ImportError("videos need OpenCV: pip install opencv-python") from error
    capture = cv2.VideoCapture(str(path))
    try:
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        try:
            check_size(*(int(capture.get(side)) for side in sides))
        except ValueError as error:
            raise ValueError(f"video file {path}: {error}") from None
        read, frame = capture.read()
        if not read:
            raise ValueError(f"video file {path}: not a video that OpenCV can read")
        while read:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            read, frame = capture.read()
    finally:
        capture.release()


def check_video(path: Path) -> None:
    """Check that a path is a regular file: on a pipe, OpenCV would wait forever.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the path is not a regular file.
    """
    try:
        check_regular(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"video file not found: {path}") from None
    except ValueError as error:
        raise ValueError(f"video file {path}: {error}") from None


def check_array(image: np.ndarray, pixel_format: PixelFormat = _RGB8) -> None:
    """Check that an array is an image for a model of this format.

    A model for gray images takes colors too, and a model for float32 takes values of every type.

    Raises:
        ValueError: the array has another shape or type.
    """
    channels = 1 if image.ndim == 2 else image.shape[-1]
    known = {pixel_format.channels, 3} if pixel_format.channels == 1 else {pixel_format.channels}
    of_type = image.dtype == pixel_format.dtype or pixel_format.dtype == "float32"
    if image.ndim not in (2, 3) or channels not in known or not of_type or not image.size:
        shape = "" if pixel_format.channels == 1 else f", {pixel_format.channels}"
        raise ValueError(
            f"image: expected an array (height, width{shape}) of {pixel_format.dtype}, got "
            f"{image.shape} of {image.dtype}"
        )


def read_image(
    path: str | Path, size: tuple[int, int] | None = None, pixel_format: PixelFormat = _RGB8
) -> np.ndarray:
    """Read the image of a file, (H, W, 3) uint8 RGB by default.

    For 8-bit formats, 16-bit values keep their upper byte and alpha is dropped, as in
    :mod:`condinst.images.decode_bgr`.

    Args:
        path: the file.
        size: expected height and width, which decide whether the EXIF orientation is applied; None
            applies it.
        pixel_format: format of the result.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not an image, or the image has another size or format.
        ImportError: see :func:`~condinst.images.decoding.read_stored`.
    """

    def decode(data: bytes) -> Iterator[np.ndarray]:
        if pixel_format.dtype == "uint8" and pixel_format.channels in (1, 3) and not is_npy(data):
            stored = open_image(data)
            _check_range(stored)  # here, because exif_transpose loses the image's format
            for image in (ImageOps.exif_transpose(stored), stored):
                yield pixel_format.fit(to_rgb(image))
        else:
            pixels, alpha, orientation = read_stored(data)
            for turn in (orientation, 1):
                yield pixel_format.fit(turn_upright(pixels, turn), alpha=alpha)

    return _read(path, size, decode)


def read_for_display(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read the image of a file of any format as (H, W, 3) uint8 RGB for display.

    :func:`~condinst.images.pixel_format.to_display` converts the pixels. Arguments and errors are
    those of :func:`read_image`.
    """

    def decode(data: bytes) -> Iterator[np.ndarray]:
        pixels, alpha, orientation = read_stored(data)
        for turn in (orientation, 1):
            yield to_display(turn_upright(pixels[:, :, :-1] if alpha else pixels, turn))

    try:
        return _read(path, size, decode)
    except (ImportError, ValueError) as error:  # fall back on 8 bits, or the first page
        try:
            return read_image(path, size)
        except ValueError:
            raise error from None


def _read(
    path: str | Path,
    size: tuple[int, int] | None,
    decode: Callable[[bytes], Iterator[np.ndarray]],
) -> np.ndarray:
    """Return the first image of this size among those that the decoder yields for a file."""
    sizes = []
    try:
        for image in decode(read_regular(path)):
            if size is None or image.shape[:2] == size:
                return image
            sizes.append(image.shape[:2])
    except FileNotFoundError:
        raise FileNotFoundError(f"image file not found: {path}") from None
    except ImportError as error:
        raise ImportError(f"image file {path}: {error}") from error
    except ValueError as error:
        raise ValueError(f"image file {path}: {error}") from error
    except Exception as error:  # each format's reader raises its own kinds
        raise ValueError(f"image file {path}: not readable: {error}") from error
    assert size is not None
    raise ValueError(
        f"image file {path}: the image is {sizes[0][1]} x {sizes[0][0]} (width x height), "
        f"expected {size[1]} x {size[0]}"
    )


def to_pixels(image: Image.Image, pixel_format: PixelFormat) -> np.ndarray:
    """Convert a PIL image to an array of a pixel format.

    Raises:
        ValueError: the image cannot be converted to this format.
    """
    if pixel_format.dtype == "uint8" and pixel_format.channels in (1, 3):
        return pixel_format.fit(to_rgb(image))
    pixels, alpha, _ = from_pillow(image, 1)
    return pixel_format.fit(pixels, alpha=alpha)


def to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a PIL image of any mode to (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the pixels have no defined range, see :mod:`condinst.images.decode_bgr`.
    """
    _check_range(image)
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16 bits: keep the upper byte
        gray = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def _check_range(image: Image.Image) -> None:
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        kind = "floating point" if image.mode == "F" else "32-bit integer"
        raise ValueError(f"{kind} pixels have no defined range; convert the file to 8 or 16 bit")
