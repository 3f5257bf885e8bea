"""Draw masks into a label map: one number for each pixel, 0 for background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from condinst.masks.crop import Crop
from condinst.utils.arguments import check_number

__all__ = ["draw_label_map"]


def draw_label_map(
    crops: Sequence[Crop], image_size: tuple[int, int], min_visible: float = 0.0
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Draw masks that may overlap: a pixel belongs to the first mask that covers it.

    Args:
        crops: N masks, best first.
        image_size: height H and width W of the image.
        min_visible: a mask is left out if less than this fraction of its pixels is free of the
            masks before it; from 0 to 1. Masks that were left out hide nothing.

    Returns:
        (H, W): 0 for background, i + 1 for mask i; uint16 up to 65,535 masks, else uint32.
        Masks that are hidden or left out have no pixel, so numbers may be missing.

    Raises:
        ValueError: ``min_visible`` is not from 0 to 1.
        TypeError: it is no number.
    """
    check_number("min_visible", min_visible, "from 0 to 1", 0, 1)
    kind = np.uint16 if len(crops) <= np.iinfo(np.uint16).max else np.uint32
    labels: NDArray[Any] = np.zeros(image_size, kind)
    for number, crop in enumerate(crops, start=1):
        rows, columns = crop.mask.shape
        place = labels[crop.y : crop.y + rows, crop.x : crop.x + columns]
        free = crop.mask & (place == 0)
        if np.count_nonzero(free) >= min_visible * np.count_nonzero(crop.mask):
            place[free] = number
    return labels
