"""Let mmdet's ``RandomShift`` shift the masks with image and boxes.

Upstream bug (mmdet 3.3.0): masks and segmentation maps stay where they are, and masks of objects
that are shifted out of the image stay in the list. Delete when mmdet shifts them.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def apply(upstream: str) -> None:
    """Let ``RandomShift.transform`` shift everything."""
    cls: Any = sys.modules[upstream].RandomShift  # type: ignore[attr-defined]
    cls.transform = _transform


def _transform(self: Any, results: dict) -> dict:
    """Shift image, boxes, masks and segmentation map; the random numbers are those of mmdet."""
    from mmdet.structures.bbox import autocast_box_type

    return autocast_box_type()(_shift)(self, results)


def _shift(self: Any, results: dict) -> dict:
    if self._random_prob() >= self.prob:
        return results
    shape = results["img"].shape[:2]
    x, y = (np.random.randint(-self.max_shift_px, self.max_shift_px) for _ in range(2))
    boxes = results["gt_bboxes"].clone()
    boxes.translate_([x, y])
    boxes.clip_(shape)
    kept = (boxes.widths > self.filter_thr_px).numpy()
    kept &= (boxes.heights > self.filter_thr_px).numpy()
    if not kept.any():
        return results
    results["gt_bboxes"] = boxes[kept]
    for key in ("gt_bboxes_labels", "gt_ignore_flags", "gt_instances_ids"):
        if results.get(key) is not None:
            results[key] = results[key][kept]
    if results.get("gt_masks") is not None:
        masks = results["gt_masks"][kept].translate(shape, x, "horizontal")
        results["gt_masks"] = masks.translate(shape, y, "vertical")
    results["img"] = _moved(results["img"], x, y, 0)
    if results.get("gt_seg_map") is not None:
        results["gt_seg_map"] = _moved(results["gt_seg_map"], x, y, 255)
    return results


def _moved(image: np.ndarray, x: int, y: int, fill: int) -> np.ndarray:
    moved = np.full_like(image, fill)
    height, width = image.shape[:2]
    moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
        max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
    ]
    return moved
