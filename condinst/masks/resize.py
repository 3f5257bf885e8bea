"""Masks drawn at one size and wanted at another, with numpy and pillow alone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from condinst.masks.crop import Crop

__all__ = ["draw_crop"]


def draw_crop(mask: np.ndarray, size: tuple[int, int]) -> Crop:
    """A mask at the image's size, as the part that holds its pixels.

    Args:
        mask: (h, w) bool.
        size: of the image. The mask is enlarged bilinearly (when shrunk, averaged), and pixels of
            one half and more belong to it.
    """
    crop = Crop.of(mask)
    if mask.shape == size or not crop.mask.size:
        return crop
    # only what the mask's pixels have a share of: one cell around them, and one pixel for rounding
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
