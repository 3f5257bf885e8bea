"""Read image sizes from file headers, and label maps: images whose pixels are labels."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from condinst.dataset_converters.numpy_masks import ARRAY_SUFFIXES, read_mask_array
from condinst.images.limit import open_image
from condinst.utils.files import check_regular

__all__ = ["check_mask_size", "image_size", "mask_and_size", "read_label_map"]


def image_size(path: Path, stated: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return the height and width of an image file.

    The file's EXIF orientation is applied, unless ``stated`` is the size without it.

    Args:
        path: the image file.
        stated: height and width in the annotations.

    Raises:
        ValueError: the file is missing or not an image, or ``stated`` is the size neither with nor
            without the EXIF orientation.
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
    """Return the size of a file that OpenCV can read and Pillow cannot."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"image file {path}: not an image that Pillow or OpenCV can read")
    return image.shape[0], image.shape[1]


def check_mask_size(path: Path, mask: np.ndarray, image: Path, size: tuple[int, int]) -> None:
    """Check that a mask has the size of its image; ValueError names both files."""
    height, width = mask.shape[-2:]
    if (height, width) != size:
        raise ValueError(
            f"mask file {path}: {width} x {height} (width x height), its image "
            f"{image} is {size[1]} x {size[0]}; resize the masks to the size of their images "
            "without interpolation (nearest), so that their values stay"
        )


_LARGE = 1 << 24  # pixels


def _is_larger(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Tell whether ``size`` does not fit into ``other`` in either orientation."""
    return any(a > b for a, b in zip(sorted(size), sorted(other), strict=True))


def _check_one_page(image: Image.Image) -> None:
    """Refuse a file of several pages; smaller pages are overviews of the first."""
    pages, size = getattr(image, "n_frames", 1), image.size
    if pages == 1:
        return
    image.seek(1)
    if image.size == size:
        raise ValueError(f"it has {pages} pages; save each as a file of its own")
    image.seek(0)


def _check_depth(image: Image.Image) -> None:
    """Refuse colors, or gray with alpha, of 16 bits: Pillow returns their upper bytes only."""
    tiles: Any = getattr(image, "tile", None)
    stored = str(tiles[0][3]) if tiles else ""
    if ";16" in stored and len(image.getbands()) > 1:
        raise ValueError(
            "it has several channels of 16 bits; write each object's number as gray PNG of 16 bits"
        )


def _only_colors(image: Image.Image) -> bool:
    """Tell whether the numbers of a palette mean nothing.

    GIF writers renumber the palette. Programs that reduce the colors of an image give 0 to any
    color; then the background is the color black.
    """
    if image.format == "GIF":
        return True
    if image.mode != "P":
        return False
    palette = image.getpalette("RGB") or []
    colors = [tuple(palette[i : i + 3]) for i in range(0, len(palette), 3)]
    black = (0, 0, 0)
    if not colors or colors[0] == black:
        return False
    used = np.flatnonzero(image.histogram())
    return any(colors[value] == black for value in used.tolist() if value < len(colors))


def read_label_map(
    path: Path | IO[bytes],
    within: tuple[int, int] | None = None,
    *,
    alpha: bool = False,
    stacks: bool = False,
) -> np.ndarray:
    """Return the pixel values of a label map, (H, W) int64.

    A palette image gives the palette indices, unless black is another index than 0; a 16-bit image
    gives its full values. A color becomes red * 65536 + green * 256 + blue; a gray image that is
    stored in color gives the gray value. Alpha is the mask where the rest is of one color. If it
    is opacity, pixels of less than half of it are background. If it numbers objects of one color,
    the file is refused; else the colors tell all objects apart.

    Args:
        path: the file, or an open file.
        within: height and width of the image of the map. A map of over 16 megapixels that does not
            fit into its image in either orientation is refused before it is decoded.
        alpha: return an alpha channel instead of the colors.
        stacks: return (N, H, W) bool where numpy's file holds a mask for each of N objects.

    Raises:
        ValueError: the file is not an image, is too large, has several pages or 16-bit colors, its
            alpha numbers objects of one color, or its pixels are not whole numbers.
    """
    name = f"mask file {path}" if isinstance(path, Path) else "embedded mask"
    if isinstance(path, Path) and path.suffix.lower() in ARRAY_SUFFIXES:
        pixels = read_mask_array(path, within or (0, 0))
        if pixels.ndim == 3:
            if stacks:
                return pixels
            raise ValueError(f"{name}: a stack of {len(pixels)} masks, expected one mask")
        return _whole_numbers(pixels, name)
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
            _check_one_page(image)
            _check_depth(image)
            has_alpha = image.getbands()[-1] == "A"
            mode = "RGB" if _only_colors(image) or image.mode == "CMYK" else image.mode
            pixels = np.asarray(image.convert("RGBA" if mode == "PA" else mode))
    except Exception as error:  # every image decoder raises its own error types
        raise ValueError(f"{name}: not readable: {error}") from None
    pixels = _whole_numbers(pixels, name)
    if not has_alpha:
        return _joined(pixels)
    opacity = pixels[:, :, -1]
    if alpha or (pixels[:, :, :-1] == pixels[0, 0, :-1]).all():
        return opacity
    return _without_alpha(_joined(pixels[:, :, :-1]), opacity, name)


def _joined(pixels: np.ndarray) -> np.ndarray:
    """Return the (H, W) values of pixels (H, W), (H, W, 1) or (H, W, 3)."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    return (red << 16) + (green << 8) + blue


def _without_alpha(colors: np.ndarray, opacity: np.ndarray, name: str) -> np.ndarray:
    """Return the colors as values, 0 where a drawing is transparent.

    Raises:
        ValueError: alpha tells pixels of one color apart, so the colors are not the whole value.
    """
    values = np.unique(opacity)
    if values[0] == 0 and values[-1] == 255 and not _has_area_between(opacity):
        return np.where(opacity < 128, 0, colors)  # a drawing on a transparent layer
    half = values[0] == 0 and len(values) == 2 and values[1] >= 64
    if half and len(np.unique(colors[opacity == 0])) == 1:
        return np.where(opacity == 0, 0, colors)  # drawn half-transparent
    pairs = np.unique((colors << 8) + opacity)
    if len(pairs) == len(np.unique(pairs >> 8)):  # each color has one alpha
        return colors
    raise ValueError(
        f"{name}: pixels of one color have several values of alpha, such as "
        f"{', '.join(map(str, values[:6].tolist()))}: alpha seems to hold the objects' numbers, as "
        "in BDD100K's bitmasks, where red is the class. Convert the masks to COCO, or write each "
        "object's number as gray PNG of 16 bits"
    )


def _has_area_between(opacity: np.ndarray) -> bool:
    """Tell whether a value other than 0 and 255 fills 3 x 3 pixels, as edges do not."""
    import cv2

    small, cell = opacity.astype(np.uint8), np.ones((3, 3), np.uint8)
    flat = cv2.erode(small, cell) == cv2.dilate(small, cell)
    return bool((flat & (small > 0) & (small < 255)).any())


def _whole_numbers(pixels: np.ndarray, name: str) -> np.ndarray:
    """Return pixels as int64; ValueError if they are not whole numbers of 0 or more."""
    if pixels.dtype.kind == "f" and np.array_equal(pixels, np.rint(pixels)):
        pixels = pixels.clip(-1, 1 << 53)  # as ImageJ saves label maps of 32 bits
    elif pixels.dtype.kind not in "bui":
        raise ValueError(
            f"{name}: expected whole numbers as pixels, got {pixels.dtype} such as "
            f"{pixels[pixels != np.rint(pixels)].flat[0]:.3g}; save the mask with 8 or 16 bits"
        )
    pixels = pixels.astype(np.int64)
    if pixels.min(initial=0) < 0:
        raise ValueError(
            f"{name}: expected pixels of 0 or more, got {pixels.min()}; write 0 "
            "for the background and number the objects from 1"
        )
    return pixels


def mask_and_size(
    mask: Path, image: Path, *, stacks: bool = False
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the (H, W) label map, see :func:`read_label_map`, and its image's height and width.

    The size is the one as stored if the mask was drawn without the EXIF orientation.
    """
    size = image_size(image)
    labels = read_label_map(mask, within=size, stacks=stacks)
    if labels.shape[-2:] == size[::-1] != size:
        size = image_size(image, labels.shape[-2:])
    check_mask_size(mask, labels, image, size)
    return labels, size
