"""Resize masks to the image's size, with numpy and pillow alone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from condinst.masks.crop import Crop

__all__ = ["draw_crop"]


def draw_crop(mask: np.ndarray, size: tuple[int, int]) -> Crop:
    """Resize a mask to the image's size and return its crop.

    The mask is enlarged bilinearly, or averaged when it shrinks. Pixels with a value of one half or
    more belong to it.

    Args:
        mask: (h, w) bool.
        size: height and width of the image.
    """
    crop = Crop.of(mask)
    if mask.shape == size or not crop.mask.size:
        return crop
    # only the pixels that the mask can reach: one cell around it, and one pixel for rounding
    (top, bottom), (left, right) = (
        (
            max(int((first - 1) * pixels / cells) - 1, 0),
            min(int((first + count + 1) * pixels / cells) + 2, pixels),
        )
        for first, count, cells, pixels in zip(
            (crop.y, crop.x), crop.mask.shape, mask.shape, size, strict=True
        )
    )
    down, across = mask.shape[0] / size[0], mask.shape[1] / size[1]
    box = (left * across, top * down, right * across, bottom * down)
    levels: Image.Image = Image.fromarray(mask.astype(np.uint8) * 255)
    drawn = levels.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box)
    found = Crop.of(np.asarray(drawn) > 127)
    return Crop(found.mask, found.x + left, found.y + top) if found.mask.size else found
