"""mmdet's MixUp and CachedMixUp, with masks of any kind."""

from __future__ import annotations

from typing import Any

import mmcv
import numpy as np
from mmdet.datasets.transforms import CachedMixUp as MMDetCachedMixUp
from mmdet.datasets.transforms import MixUp as MMDetMixUp
from mmdet.structures.bbox import autocast_box_type
from mmdet.structures.mask import PolygonMasks

from condinst.compat.image_channels import fill_for
from condinst.datasets.transforms.mixing import (
    Masks,
    check_mix,
    filled,
    join_objects,
    move_masks,
    own_copy,
    place_polygons,
)
from condinst.registry import TRANSFORMS

__all__ = ["CachedMixUp", "MixUp"]


@TRANSFORMS.register_module()
class MixUp(MMDetMixUp):
    """``MixUp`` of mmdet that keeps the masks, which mmdet loses.

    Masks are polygons if those of both images are, else crops.

    Raises:
        ValueError: the transform is not in the pipeline of a ``MultiImageMixDataset``.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        (other,) = check_mix(self, results, 1)
        return _blend(self, results, other) if len(other["gt_bboxes"]) else results


@TRANSFORMS.register_module()
class CachedMixUp(MMDetCachedMixUp):
    """``CachedMixUp`` of mmdet for masks of any kind, without its copies.

    mmdet asserts that the masks of both images are of one class, which those of empty images and of
    images with RLE are not, and flips masks of images that are not square to another place than the
    image. Masks are polygons if those of both images are, else crops.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        cache = self.results_cache
        cache.append(dict(results))
        if len(cache) > self.max_cached_images:
            cache.pop(np.random.randint(0, len(cache) - 1) if self.random_pop else 0)
        if len(cache) <= 1 or np.random.uniform(0, 1) > self.prob:
            return own_copy(results)
        other = cache[self.get_indexes(cache)]
        return _blend(self, results, other) if len(other["gt_bboxes"]) else own_copy(results)


def _blend(settings: Any, results: dict, other: dict) -> dict:
    """Mix an image with another one, half and half; the other one does not change.

    The random numbers and boxes are those of mmdet; pixels differ by the rounding of the resized
    image, which mmdet keeps as float64.
    """
    jitter = np.random.uniform(*settings.ratio_range)
    flips = np.random.uniform(0, 1) > settings.flip_ratio
    image, base = other["img"], results["img"]
    width, height = settings.dynamic_scale
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = int(image.shape[0] * scale), int(image.shape[1] * scale)  # height, width
    outer = int(height * jitter), int(width * jitter)
    target = base.shape[0], base.shape[1]

    fill = fill_for(image, settings.pad_val, "MixUp: pad_val")
    canvas = filled((height, width, *image.shape[2:]), fill, image.dtype)
    canvas[: inner[0], : inner[1]] = mmcv.imresize(image, inner[::-1]).reshape(
        canvas[: inner[0], : inner[1]].shape
    )
    canvas = mmcv.imresize(canvas, outer[::-1])
    if flips:
        canvas = canvas[:, ::-1]
    spare = [max(side - new, 0) for side, new in zip(outer, target, strict=True)]
    y, x = (int(np.random.randint(0, each)) if each else 0 for each in spare)
    seen = canvas[y : y + target[0], x : x + target[1]]
    padded = filled(base.shape, fill, base.dtype)
    padded[: seen.shape[0], : seen.shape[1]] = seen.reshape(*seen.shape[:2], *base.shape[2:])

    boxes = other["gt_bboxes"].clone()
    boxes.rescale_([scale * jitter, scale * jitter])
    if settings.bbox_clip_border:
        boxes.clip_(outer)
    if flips:
        boxes.flip_(outer, direction="horizontal")
    boxes.translate_([-x, -y])
    if settings.bbox_clip_border:
        boxes.clip_(target)
    objects = {key: other[key] for key in ("gt_bboxes_labels", "gt_ignore_flags")}
    objects["gt_bboxes"] = boxes
    if "gt_masks" in results:
        objects["gt_masks"] = _place(
            other["gt_masks"], inner, (height, width), outer, flips, (x, y), target
        )
    join_objects(results, [dict(results), objects], target, clip=False)
    results["img"] = _half(base, padded)
    results["img_shape"] = target
    return results


def _place(
    masks: Masks,
    inner: tuple[int, int],
    canvas: tuple[int, int],
    outer: tuple[int, int],
    flips: bool,
    corner: tuple[int, int],
    target: tuple[int, int],
) -> Masks:
    """Move masks as the image: to ``inner``, padded to ``canvas``, to ``outer``, flipped, cut.

    Args:
        masks: masks of the other image.
        inner, canvas, outer, target: heights and widths.
        flips: whether the image is flipped from left to right.
        corner: x and y of the cut.
    """
    x, y = corner
    if isinstance(masks, PolygonMasks):  # in one step, since each takes as long
        across = inner[1] / masks.width * (outer[1] / canvas[1])
        down = inner[0] / masks.height * (outer[0] / canvas[0])
        scale, left = (-across, outer[1] - x) if flips else (across, -x)
        return place_polygons(masks, (scale, down), (left, -y), target)
    masks = masks.resize(inner).pad(canvas).resize(outer)
    return move_masks(masks.flip("horizontal") if flips else masks, -x, -y, target)


def _half(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean of two images, rounded down as in mmdet, in their own type."""
    if one.dtype == np.uint8:
        mean = one ^ other
        mean >>= 1
        mean += one & other
        return mean
    return ((one.astype(np.float64) + other) * 0.5).astype(one.dtype)
