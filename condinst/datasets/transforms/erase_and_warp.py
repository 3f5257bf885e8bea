"""mmdet's RandomErasing and RandomAffine, with masks of any kind."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmdet.datasets.transforms import RandomAffine as MMDetRandomAffine
from mmdet.datasets.transforms import RandomErasing as MMDetRandomErasing
from mmdet.structures.bbox import autocast_box_type
from mmdet.structures.mask import PolygonMasks

from condinst.compat.image_channels import by_planes, fill_for
from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

__all__ = ["RandomAffine", "RandomErasing"]


@TRANSFORMS.register_module()
class RandomErasing(MMDetRandomErasing):
    """``RandomErasing`` of mmdet that takes masks of any kind, and does not change its input.

    mmdet takes bitmaps only, and fails where no patch is drawn. Masks become crops.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        patches = self._get_patches(results["img_shape"]).reshape(-1, 4)
        if not len(patches):
            return results
        results["img"] = results["img"].copy()
        fill = fill_for(results["img"], self.img_border_value, "RandomErasing: img_border_value")
        for x1, y1, x2, y2 in patches:
            results["img"][y1:y2, x1:x2] = fill
        if results.get("gt_masks") is not None:
            masks = CropMasks.of(results["gt_masks"])
            crops = []
            for mask, x, y in masks.crops:
                mask = mask.copy()
                for x1, y1, x2, y2 in patches - [x, y, x, y]:
                    mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = bool(
                        self.mask_border_value
                    )
                crops.append(Crop(mask, x, y))
            results["gt_masks"] = masks.with_crops(crops)
        if results.get("gt_bboxes") is not None:
            self._transform_bboxes(results, patches)
        if results.get("gt_seg_map") is not None:
            results["gt_seg_map"] = results["gt_seg_map"].copy()
            self._transform_seg(results, patches)
        return results


@TRANSFORMS.register_module()
class RandomAffine(MMDetRandomAffine):
    """``RandomAffine`` of mmdet that warps the masks too; mmdet refuses images with masks."""

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        image = results["img"]
        height, width = (
            side + 2 * border
            for side, border in zip(image.shape[:2], self.border[::-1], strict=True)
        )
        matrix = self._get_random_homography_matrix(height, width)

        def warp(plane: np.ndarray, value: Any) -> np.ndarray:
            return cv2.warpPerspective(plane, matrix, dsize=(width, height), borderValue=value)

        name = "RandomAffine: border_val"
        if image.ndim == 3 and image.shape[2] == 3:
            results["img"] = warp(image, fill_for(image, self.border_val, name))
        else:
            results["img"] = by_planes(image, self.border_val, name, warp)
        results["img_shape"] = height, width
        boxes = results["gt_bboxes"]
        boxes.project_(matrix)
        if self.bbox_clip_border:
            boxes.clip_([height, width])
        inside = boxes.is_inside([height, width]).numpy()
        results["gt_bboxes"] = boxes[inside]
        for key in ("gt_bboxes_labels", "gt_ignore_flags", "gt_instances_ids"):
            if results.get(key) is not None:
                results[key] = results[key][inside]
        if results.get("gt_masks") is not None:
            results["gt_masks"] = _warp(results["gt_masks"][inside], matrix[:2], (height, width))
        return results


def _warp(masks: Any, matrix: np.ndarray, size: tuple[int, int]) -> Any:
    """Apply an affine (2, 3) matrix of pixel indices to masks."""
    if not isinstance(masks, PolygonMasks):
        return CropMasks.of(masks).warp(matrix, size)
    # a pixel with index x covers x to x + 1 in the coordinates of a polygon
    linear, shift = matrix[:, :2], matrix[:, 2] + 0.5 - matrix[:, :2].sum(axis=1) * 0.5
    moved = [
        [(polygon.reshape(-1, 2) @ linear.T + shift).ravel() for polygon in polygons]
        for polygons in masks.masks
    ]
    return PolygonMasks(moved, *size).crop(np.array([0, 0, size[1], size[0]]))
