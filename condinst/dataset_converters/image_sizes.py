"""Sizes of images from their headers, and images whose pixels are labels."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np

from condinst.images.limit import open_image
from condinst.utils.files import check_regular

__all__ = ["check_mask_size", "image_size", "read_label_map"]


def image_size(path: Path, stated: tuple[int, int] | None = None) -> tuple[int, int]:
    """Height and width; the file's EXIF orientation is applied, unless the annotations say other.

    Args:
        stated: height and width in the annotations.

    Raises:
        ValueError: not an image, or ``stated`` is neither the size as stored nor as shown.
    """
    from condinst.images.headers import header_size

    try:
        header = header_size(str(path))
    except ValueError as error:
        raise ValueError(f"image file {path}: {error}") from None
    except FileNotFoundError:
        raise ValueError(f"image file not found: {path}") from None
    height, width, turned = header if header else (*_decoded_size(path), False)
    shown = (width, height) if turned else (height, width)
    if stated is None or stated == shown:
        return shown
    if stated == shown[::-1] and turned:
        return stated
    raise ValueError(
        f"image file {path}: the image is {shown[1]} x {shown[0]} (width x height), its "
        f"annotations say {stated[1]} x {stated[0]}"
    )


def _decoded_size(path: Path) -> tuple[int, int]:
    """Of a file that OpenCV knows and Pillow does not."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"image file {path}: not an image that Pillow or OpenCV can read")
    return image.shape[0], image.shape[1]


def check_mask_size(path: Path, mask: np.ndarray, image: Path, size: tuple[int, int]) -> None:
    """Raises ValueError, naming both files, when a mask has another size than its image."""
    if mask.shape != size:
        raise ValueError(
            f"mask file {path}: {mask.shape[1]} x {mask.shape[0]} (width x height), its image "
            f"{image} is {size[1]} x {size[0]}"
        )


_LARGE = 1 << 24


def _is_larger(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one of the sides is, in both orientations."""
    return any(a > b for a, b in zip(sorted(size), sorted(other), strict=True))


def read_label_map(path: Path | IO[bytes], within: tuple[int, int] | None = None) -> np.ndarray:
    """The values of an image's pixels, (H, W) int64: of a palette the index, 16 bit in full.

    Colors are told apart by their number, red * 65536 + green * 256 + blue; of a gray image
    stored as colors the gray value is given. Alpha is dropped.

    Args:
        within: height and width of its image: of 16 megapixels and more, a larger map, turned or
            not, is not decoded.

    Raises:
        ValueError: not an image, or its pixels are not integers.
    """
    name = f"mask file {path}" if isinstance(path, Path) else "embedded mask"
    try:
        if isinstance(path, Path):
            check_regular(path)
        with open_image(path if isinstance(path, Path) else path.read()) as image:
            if (
                within is not None
                and image.width * image.height > _LARGE
                and _is_larger(image.size, within)
            ):
                raise ValueError(
                    f"{image.width} x {image.height} (width x height), its image is "
                    f"{within[1]} x {within[0]}"
                )
            pixels = np.asarray(image.convert("L") if image.mode == "LA" else image)
    except Exception as error:  # each format's reader raises its own kinds
        raise ValueError(f"{name}: not readable: {error}") from None
    if pixels.dtype.kind not in "bui":
        raise ValueError(f"{name}: expected integer pixels, got {pixels.dtype}")
    pixels = pixels.astype(np.int64)
    if pixels.ndim == 3 and pixels.shape[2] < 3:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    return (red << 16) + (green << 8) + blue
