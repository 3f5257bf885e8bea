"""Notice masks that do not lie in the boxes of their objects: a transform has moved one of them.

Such a training runs, and learns nonsense.

Shapes: M masks of one image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from condinst.masks.crop_masks import CropMasks

__all__ = ["boxes_of_masks", "misplaced"]

_LEAST = 4.0  # pixels by which a mask may always stick out: rounding, and the smoothing of resizing
_FRACTION = 0.15  # of the longer side of the box by which it may


def misplaced(masks: BitmapMasks | PolygonMasks, boxes: np.ndarray) -> np.ndarray:
    """Tell which masks stick out of their boxes.

    A box may be larger than its mask in many ways: the object is partly covered, erased or outside
    the image, or the box is that of a turned box. A mask never is larger than its box, except that
    both are annotated or rounded. So only this is measured. Empty masks fit everywhere.

    Args:
        masks: M masks.
        boxes: (M, 4) xyxy, pixels.

    Returns:
        (M,) bool.
    """
    size = np.array([masks.width, masks.height] * 2)
    found = np.clip(boxes_of_masks(masks), 0, size)
    boxes = np.clip(boxes, 0, size)
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    out = np.maximum(boxes[:, :2] - found[:, :2], found[:, 2:] - boxes[:, 2:]).max(axis=1)
    is_there = (found[:, 2:] > found[:, :2]).all(axis=1)
    return is_there & (out > np.maximum(_FRACTION * sides, _LEAST))


def boxes_of_masks(masks: Any) -> np.ndarray:
    """Return the boxes of masks, (M, 4) xyxy; zeros for an empty mask."""
    boxes = np.zeros((len(masks), 4))
    if isinstance(masks, PolygonMasks):
        for box, polygons in zip(boxes, masks.masks, strict=True):
            points = np.concatenate([p.reshape(-1, 2) for p in polygons])
            box[:2], box[2:] = points.min(axis=0), points.max(axis=0)
    elif isinstance(masks, CropMasks):
        for box, (mask, x, y) in zip(boxes, masks.crops, strict=True):
            box[:] = x, y, x + mask.shape[1], y + mask.shape[0]
    elif len(masks):
        boxes[:] = masks.get_bboxes("hbox").tensor.numpy()
    return boxes
