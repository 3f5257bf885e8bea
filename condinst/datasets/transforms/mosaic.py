"""mmdet's Mosaic and CachedMosaic, with masks of any kind."""

from __future__ import annotations

from collections.abc import Sequence

import mmcv
import numpy as np
from mmdet.datasets.transforms import CachedMosaic as MMDetCachedMosaic
from mmdet.datasets.transforms import Mosaic as MMDetMosaic
from mmdet.structures.bbox import autocast_box_type

from condinst.compat.image_channels import fill_for
from condinst.datasets.transforms.mixing import (
    check_mix,
    filled,
    join_objects,
    own_copy,
    place_masks,
)
from condinst.registry import TRANSFORMS

__all__ = ["CachedMosaic", "Mosaic"]

_PLACES = ("top_left", "top_right", "bottom_left", "bottom_right")


class _Combine(MMDetMosaic):
    """The joining of four images, the same for both transforms."""

    def combine(self, results: dict, others: Sequence[dict]) -> dict:
        """Join the image with three others, which do not change.

        The random numbers, pixels and boxes are those of mmdet.
        """
        width, height = (int(side * 2) for side in self.img_scale)
        image = results["img"]
        fill = fill_for(image, self.pad_val, "Mosaic: pad_val")
        canvas = filled((height, width, *image.shape[2:]), fill, image.dtype)
        center = tuple(
            int(np.random.uniform(*self.center_ratio_range) * side) for side in self.img_scale
        )
        parts = [
            self._place(part, place, center, canvas, "gt_masks" in results)
            for place, part in zip(_PLACES, (results, *others), strict=True)
        ]
        results["img"], results["img_shape"] = canvas, canvas.shape[:2]
        join_objects(results, parts, (height, width), self.bbox_clip_border)
        return results

    def _place(
        self, part: dict, place: str, center: tuple[int, ...], canvas: np.ndarray, masks: bool
    ) -> dict:
        """Draw one image into the canvas, and return its objects in the canvas's coordinates."""
        image = part["img"]
        height, width = image.shape[:2]
        scale = min(self.img_scale[1] / height, self.img_scale[0] / width)
        size = max(int(height * scale), 1), max(int(width * scale), 1)
        pasted, cropped = self._mosaic_combine(place, center, size[::-1])
        x1, y1, x2, y2 = pasted
        left, top, right, bottom = cropped
        resized = mmcv.imresize(image, size[::-1])
        canvas[y1:y2, x1:x2] = resized[top:bottom, left:right].reshape(canvas[y1:y2, x1:x2].shape)
        boxes = part["gt_bboxes"].clone()
        boxes.rescale_([scale, scale])
        boxes.translate_([x1 - left, y1 - top])
        objects = {key: part[key] for key in ("gt_bboxes_labels", "gt_ignore_flags")}
        objects["gt_bboxes"] = boxes
        if masks:
            shape = canvas.shape[0], canvas.shape[1]
            objects["gt_masks"] = place_masks(part["gt_masks"], size, x1 - left, y1 - top, shape)
        return objects


@TRANSFORMS.register_module()
class Mosaic(_Combine):
    """``Mosaic`` of mmdet that keeps the masks, which mmdet loses.

    Masks are polygons if those of all four images are, else crops.

    Raises:
        ValueError: the transform is not in the pipeline of a ``MultiImageMixDataset``.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        others = check_mix(self, results, 3)
        if np.random.uniform(0, 1) > self.prob:
            return results
        return self.combine(results, others)


@TRANSFORMS.register_module()
class CachedMosaic(_Combine, MMDetCachedMosaic):
    """``CachedMosaic`` of mmdet for masks of any kind, without its copies.

    mmdet asserts that the masks of all images are of one class, which those of empty images and of
    images with RLE are not, and mixes up width and height of masks in a mosaic that is not square.
    Masks are polygons if those of all four images are, else crops.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        cache = self.results_cache
        cache.append(dict(results))
        if len(cache) > self.max_cached_images:
            cache.pop(np.random.randint(0, len(cache) - 1) if self.random_pop else 0)
        if len(cache) <= 4 or np.random.uniform(0, 1) > self.prob:
            return own_copy(results)
        return self.combine(results, [cache[i] for i in self.get_indexes(cache)])
