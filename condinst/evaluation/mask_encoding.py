"""Encode boolean masks as compressed RLE without copying the bitmaps of a whole batch.

Shapes: N masks of H x W pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from condinst.masks.rle import encode_changes

__all__ = ["encode_masks"]

# Largest number of pixels compared at once on a GPU; a comparison needs about 3 bytes per pixel.
MAX_PIXELS = 2**26


def encode_masks(masks: Tensor, max_pixels: int = MAX_PIXELS) -> list[dict[str, Any]]:
    """Encode masks as COCO RLE dicts, byte for byte like pycocotools.

    A mask changes its value at few pixels, and only these are needed. On a GPU they are found for
    many masks at once, so the bitmaps never leave it; on a CPU only the columns with the object
    are searched.

    Args:
        masks: (N, H, W) bool; of another type, nonzero pixels are the mask.
        max_pixels: the largest number of pixels compared at once on a GPU; it bounds memory and
            does not change the result.

    Returns:
        N dicts with ``size`` [H, W] and ``counts`` as bytes.

    Raises:
        ValueError: ``masks`` has not three dimensions.
    """
    if masks.dim() != 3:
        raise ValueError(f"masks must be of shape (N, H, W), got {tuple(masks.shape)}")
    masks = masks.detach().bool()
    height, width = masks.shape[1:]
    if masks.device.type == "cpu":
        changes = [_changes(mask) for mask in masks.view(torch.uint8).numpy()]
    else:
        changes = _changes_of_many(masks, max_pixels)
    return [encode_changes(places, height, width) for places in changes]


def _changes(mask: np.ndarray) -> np.ndarray:
    """Return the ascending pixel numbers where an (H, W) uint8 mask changes its value.

    Pixels are numbered down the columns. Background precedes the first pixel and follows the last.
    """
    height = mask.shape[0]
    columns = np.flatnonzero(np.bitwise_or.reduce(mask, axis=0)) if mask.size else np.empty(0, int)
    if not columns.size:
        return columns
    first, last = columns[0], columns[-1] + 1
    framed = np.zeros((last - first) * height + 2, np.uint8)  # background at both ends
    framed[1:-1].reshape(last - first, height)[:] = mask[:, first:last].T
    return np.flatnonzero(framed[1:] != framed[:-1]) + first * height


def _changes_of_many(masks: Tensor, max_pixels: int) -> list[np.ndarray]:
    """Return what :func:`_changes` returns for each of (N, H, W) bool masks, by torch."""
    num_masks, height, width = masks.shape
    chunk = max(1, max_pixels // max(1, height * width))
    changes: list[np.ndarray] = []
    for start in range(0, num_masks, chunk):
        some = masks[start : start + chunk]  # (n, H, W)
        framed = some.new_zeros((len(some), width * height + 2))
        framed[:, 1:-1].view(len(some), width, height).copy_(some.transpose(1, 2))
        places = (framed[:, 1:] != framed[:, :-1]).nonzero().cpu().numpy()
        ends = np.searchsorted(places[:, 0], np.arange(1, len(some)))
        changes += np.split(places[:, 1], ends)
    return changes
