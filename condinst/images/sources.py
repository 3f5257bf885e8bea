"""Sources of images: files, folders, videos, arrays, and iterables of them.

The module needs numpy and pillow alone; videos need OpenCV.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from condinst.images.decoding import check_range, from_pillow, is_npy, read_stored, to_rgb
from condinst.images.limit import check_size, open_image
from condinst.images.pixel_format import PixelFormat, to_display, turn_upright
from condinst.utils.arguments import shown
from condinst.utils.files import check_regular, read_regular
from condinst.utils.optional import import_failure

__all__ = [
    "FRAME_RATE",
    "VIDEO_SUFFIXES",
    "check_video",
    "decode_image",
    "is_single",
    "list_folder",
    "read_for_display",
    "read_image",
    "read_video",
    "single_images",
    "to_pixels",
    "to_rgb",
    "video_facts",
]

IMAGE_SUFFIXES = {
    *(".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
_RGB8 = PixelFormat()

FRAME_RATE = 25.0
"""Frames per second of a video or stream that does not say it."""

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}


def is_single(source: Any) -> bool:
    """Tell whether a source is one image: the path of an image file, or an image in memory."""
    if isinstance(source, str | os.PathLike):
        return not Path(source).is_dir() and Path(source).suffix.lower() not in VIDEO_SUFFIXES
    # a tensor, too, has __array__
    in_memory = np.ndarray | Image.Image | bytes | bytearray | memoryview
    return isinstance(source, in_memory) or hasattr(source, "read") or _is_array(source)


def _is_array(source: Any) -> bool:
    return hasattr(type(source), "__array__") and hasattr(type(source), "shape")


def single_images(source: Any, name: str = "source") -> Iterator[Any]:
    """Yield the images of a source one by one: paths, and images in memory.

    Args:
        name: of the source, for messages.
        source: a path or an image in memory (an array, a tensor, a PIL image, the bytes of an image
            file, or a file that is open for reading bytes); the path of a folder (its image files
            by name, without subfolders) or of a video (its frames); or an iterable of such sources.

    Raises:
        FileNotFoundError: a video does not exist.
        ValueError: a folder has no images, a video cannot be read, or a path is an empty text.
        TypeError: the source is something else.
    """
    if isinstance(source, str) and not source:
        raise ValueError(f"{name}='': expected the path of an image, a folder or a video")
    if is_single(source):
        yield source
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        yield from list_folder(path) if path.is_dir() else read_video(path)
    elif isinstance(source, Iterable) and not (
        isinstance(source, Mapping) or hasattr(type(source), "__array__")  # results
    ):
        for number, item in enumerate(source):
            yield from single_images(item, f"{name}[{number}]")
    else:
        raise TypeError(
            f"{name}={shown(source)}: expected a path, an (H, W, 3) uint8 array in RGB, a PIL "
            "image, a tensor, the bytes of a file, or a list or generator of such"
            f"{_way(source, name)}"
        )


def _way(source: Any, name: str) -> str:
    if source is None:
        return "; cv2.imread returns None for a file that it cannot read"
    if isinstance(source, int | float) and name.endswith("]"):
        return "; pixels go in as an array: np.array(image, np.uint8)"
    if isinstance(source, int):
        return "; the frames of a camera go in as a generator"
    return ""


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
        raise import_failure(
            "videos need OpenCV", "cv2", "pip install opencv-python", error
        ) from error
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


def video_facts(path: Path) -> tuple[int, float]:
    """Return the number of frames as the video's header says it, 0 if not, and frames per second.

    Raises:
        FileNotFoundError, ValueError: see :func:`check_video`.
    """
    check_video(path)
    try:
        import cv2
    except ImportError:
        return 0, FRAME_RATE  # read_video raises the error
    capture = cv2.VideoCapture(str(path))
    count, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return max(0, int(count)), rate if 0 < rate <= 1000 else FRAME_RATE


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

    return _read(path, size, lambda data: _decoded(data, pixel_format))


def decode_image(data: bytes, pixel_format: PixelFormat = _RGB8) -> np.ndarray:
    """Decode the bytes of an image file as :func:`read_image` does.

    Raises:
        ValueError: the bytes are not an image, or its format does not fit.
        ImportError: see :func:`~condinst.images.decoding.read_stored`.
    """
    place = f"image of {len(data):,} bytes"
    try:
        return next(_decoded(data, pixel_format))
    except ImportError as error:
        raise ImportError(f"{place}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    except UnidentifiedImageError:
        raise ValueError(f"{place}: expected those of an image file") from None
    except Exception as error:  # each format's reader raises its own kinds
        raise ValueError(f"{place}: not readable: {error}") from error


def _decoded(data: bytes, pixel_format: PixelFormat) -> Iterator[np.ndarray]:
    """Yield the image of a file's bytes: upright as its EXIF data say, then as it is stored."""
    if pixel_format.dtype == "uint8" and pixel_format.channels in (1, 3) and not is_npy(data):
        stored = open_image(data)
        check_range(stored)  # here, because exif_transpose loses the image's format
        for image in (ImageOps.exif_transpose(stored), stored):
            yield pixel_format.fit(to_rgb(image))
    else:
        pixels, alpha, orientation = read_stored(data)
        for turn in (orientation, 1):
            yield pixel_format.fit(turn_upright(pixels, turn), alpha=alpha)


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
