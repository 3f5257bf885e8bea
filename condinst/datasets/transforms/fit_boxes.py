"""Fit boxes to masks after rotations and shears."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import autocast_box_type
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

__all__ = ["FitBoxesToMasks"]


@TRANSFORMS.register_module()
class FitBoxesToMasks(BaseTransform):
    """Replace each object's box by the smallest one around its mask.

    ``Rotate``, ``RandomAffine``, ``ShearX`` and ``ShearY`` give the box around the transformed box,
    which is larger than the object. Put this transform after them, and before
    ``PrepareMaskTargets``.

    The box of a polygon inside the image ends at its outermost points. The box of a polygon at the
    border, and of a bitmap, ends at the edges of the outermost pixels; a pixel with index x covers
    x to x + 1. An object whose mask is empty keeps its box;
    ``FilterAnnotations(by_mask=True)`` drops it. An object of which only the box is known keeps the
    box around its turned box.

    Raises:
        ValueError: there are no ``gt_masks``, or ``PrepareMaskTargets`` has replaced them.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        masks = results.get("gt_masks")
        if not isinstance(masks, BitmapMasks | PolygonMasks):
            raise ValueError(
                f"{results.get('img_path')}: FitBoxesToMasks finds no gt_masks; it belongs between "
                "LoadAnnotations(with_mask=True) and PrepareMaskTargets"
            )
        if results.get("gt_bboxes") is None or not len(masks):
            return results
        boxes = results["gt_bboxes"].clone()
        fitted = _boxes(masks)  # (N, 4)
        seen = (fitted[:, 2:] > fitted[:, :2]).all(axis=1)
        if isinstance(masks, CropMasks):
            seen &= ~masks.box_only
        boxes.tensor[seen] = boxes.tensor.new_tensor(fitted[seen])
        results["gt_bboxes"] = boxes
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _boxes(masks: BitmapMasks | PolygonMasks) -> np.ndarray:
    """Return the boxes of N masks, (N, 4) as x1, y1, x2, y2; without area for empty masks."""
    if not isinstance(masks, PolygonMasks):
        return CropMasks.of(masks).get_bboxes().numpy()
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, polygons in zip(boxes, masks.masks, strict=True):
        ends = [
            (points.min(axis=0), points.max(axis=0))
            for points in (np.reshape(polygon, (-1, 2)) for polygon in polygons)
        ]
        ends = [(low, high) for low, high in ends if (high > low).all()]
        if ends:
            box[:2] = np.min([low for low, _ in ends], axis=0)
            box[2:] = np.max([high for _, high in ends], axis=0)
    # an outline that was cut at the border may run along it, beyond the object's pixels
    size = np.array([masks.width, masks.height])
    cut = (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2:] >= size).any(axis=1)
    if cut.any():
        boxes[cut] = CropMasks.of(masks[np.flatnonzero(cut)]).get_bboxes().numpy()
    return boxes
