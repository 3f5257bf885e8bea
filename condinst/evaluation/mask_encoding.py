"""Boolean masks -> COCO's compressed run lengths, without a bitmap of the whole batch in between.

Shapes: N masks of H x W pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from condinst.masks.rle import encode_changes

__all__ = ["encode_masks"]

# Most pixels compared at once on a GPU: a comparison needs about three bytes for each.
MAX_PIXELS = 2**26


def encode_masks(masks: Tensor, max_pixels: int = MAX_PIXELS) -> list[dict[str, Any]]:
    """COCO RLE dicts (``size`` = [H, W], ``counts`` bytes), the same bytes as pycocotools'.

    A mask changes its value at few places. They are looked for where the masks are: on a GPU for
    many masks at once, so that the bitmaps never leave it; on a CPU in the columns that hold the
    object.

    Args:
        masks: (N, H, W) bool; another type is taken as "not zero".
        max_pixels: bound on the pixels compared at once on a GPU; changes memory, not the result.

    Raises:
        ValueError: not three dimensions.
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
    """Where an (H, W) uint8 mask, read column by column, differs from the pixel before; ascending.

    Before the first pixel stands background; a change after the last one is given too.
    """
    height = mask.shape[0]
    columns = np.flatnonzero(np.bitwise_or.reduce(mask, axis=0)) if mask.size else np.empty(0, int)
    if not columns.size:
        return columns
    first, last = columns[0], columns[-1] + 1
    framed = np.zeros((last - first) * height + 2, np.uint8)
    framed[1:-1].reshape(last - first, height)[:] = mask[:, first:last].T
    return np.flatnonzero(framed[1:] != framed[:-1]) + first * height


def _changes_of_many(masks: Tensor, max_pixels: int) -> list[np.ndarray]:
    """The same for (N, H, W) bool masks, by torch."""
    num_masks, height, width = masks.shape
    chunk = max(1, max_pixels // max(1, height * width))
    changes: list[np.ndarray] = []
    for start in range(0, num_masks, chunk):
        part = masks[start : start + chunk]
        framed = part.new_zeros((len(part), width * height + 2))
        framed[:, 1:-1].view(len(part), width, height).copy_(part.transpose(1, 2))
        places = (framed[:, 1:] != framed[:, :-1]).nonzero().cpu().numpy()
        ends = np.searchsorted(places[:, 0], np.arange(1, len(part)))
        changes += np.split(places[:, 1], ends)
    return changes
