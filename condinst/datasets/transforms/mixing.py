"""Join the objects of several images; what the transforms that mix images have in common."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from condinst.masks.crop_masks import CropMasks

__all__ = [
    "check_mix",
    "filled",
    "join_masks",
    "join_objects",
    "move_masks",
    "own_copy",
    "place_masks",
    "place_polygons",
]

Masks: TypeAlias = BitmapMasks | PolygonMasks
_FIELDS = ("gt_bboxes_labels", "gt_ignore_flags")


def join_masks(masks: Sequence[Masks]) -> Masks:
    """Join the masks of images of one size: polygons if all are, else crops.

    Masks of images without objects fit either kind.
    """
    size = masks[0].height, masks[0].width
    kept = [each for each in masks if len(each)]
    if all(isinstance(each, PolygonMasks) for each in kept):
        return PolygonMasks([polygons for each in kept for polygons in each.masks], *size)
    return CropMasks.cat(kept)


def move_masks(masks: Masks, x: int, y: int, size: tuple[int, int]) -> Masks:
    """Move masks by whole pixels into an image of another size (height, width)."""
    if isinstance(masks, PolygonMasks):
        far = (max(size[0], masks.height), size[1])
        return masks.translate(far, x, "horizontal").translate(size, y, "vertical")
    return CropMasks.of(masks).move(x, y, size)


def place_masks(
    masks: Masks, size: tuple[int, int], x: int, y: int, canvas: tuple[int, int]
) -> Masks:
    """Resize masks, move them by whole pixels into another image, and cut them at its border.

    Args:
        masks: masks of one image.
        size: height and width to which this image is resized.
        x, y: its upper left corner in the other image; may be negative.
        canvas: height and width of the other image.
    """
    if not isinstance(masks, PolygonMasks):
        return move_masks(masks.resize(size), x, y, canvas)
    return place_polygons(masks, (size[1] / masks.width, size[0] / masks.height), (x, y), canvas)


def place_polygons(
    masks: PolygonMasks,
    scale: tuple[float, float],
    offset: tuple[float, float],
    canvas: tuple[int, int],
) -> PolygonMasks:
    """Scale polygons, move them into another image, and cut them at its border.

    Args:
        masks: masks of one image.
        scale: factors of x and y; negative ones flip.
        offset: added to x and y after scaling, in pixels.
        canvas: height and width of the other image.
    """
    if not len(masks):
        return PolygonMasks([], *canvas)
    # all points at once: one call for each polygon would take most of the time of a mosaic
    flat = [polygon for polygons in masks.masks for polygon in polygons]
    points = np.concatenate(flat).reshape(-1, 2) * scale + offset
    ends = np.cumsum([len(polygon) for polygon in flat])
    starts = np.concatenate([[0], ends[:-1]]) // 2
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    inside = np.all((low >= 0) & (high <= np.array(canvas[::-1])), axis=1)  # (P,) of polygons
    values, bounds = points.ravel(), [0, *ends.tolist()]
    parts = [values[start:end] for start, end in pairwise(bounds)]
    placed: list[list[np.ndarray]] = []
    cut: list[int] = []
    number = 0
    for polygons in masks.masks:
        following = number + len(polygons)
        if not inside[number:following].all():
            cut.append(len(placed))
        placed.append(parts[number:following])
        number = following
    if cut:
        frame = np.array([0, 0, *canvas[::-1]])
        cropped = PolygonMasks([placed[index] for index in cut], *canvas).crop(frame)
        for index, polygons in zip(cut, cropped.masks, strict=True):
            placed[index] = polygons
    return PolygonMasks(placed, *canvas)


def filled(shape: Sequence[int], fill: Any, dtype: np.dtype) -> np.ndarray:
    """Return an image of one color; one number for all channels is written many times as fast."""
    numbers = np.unique(fill)
    return np.full(shape, numbers[0] if len(numbers) == 1 else fill, dtype)


def join_objects(results: dict, parts: Sequence[dict], size: tuple[int, int], clip: bool) -> None:
    """Put the objects of several images into one, and drop those whose boxes lie outside it.

    Args:
        results: receives the objects.
        parts: dicts with boxes, labels, flags and perhaps masks, in the coordinates of the result.
        size: height and width of the result.
        clip: whether the boxes are cut at the border.
    """
    boxes = parts[0]["gt_bboxes"].cat([part["gt_bboxes"] for part in parts], 0)
    if clip:
        boxes.clip_(size)
    inside = boxes.is_inside(size).numpy()
    results["gt_bboxes"] = boxes[inside]
    for key in _FIELDS:
        results[key] = np.concatenate([part[key] for part in parts])[inside]
    if "gt_masks" in results:
        results["gt_masks"] = join_masks([part["gt_masks"] for part in parts])[inside]


def own_copy(results: dict) -> dict:
    """Return a copy that later steps may change; the cache keeps the original.

    Polygons and crops are never changed in place.
    """
    masks = results.get("gt_masks")
    mine = dict(results, img=results["img"].copy(), gt_bboxes=results["gt_bboxes"].clone())
    for key in _FIELDS:
        mine[key] = results[key].copy()
    if masks is not None:
        drawn = isinstance(masks, BitmapMasks) and not isinstance(masks, CropMasks)
        mine["gt_masks"] = copy.deepcopy(masks) if drawn else copy.copy(masks)
    return mine


def check_mix(transform: Any, results: dict, number: int) -> list[dict]:
    """Return the images that the dataset has chosen to mix with this one.

    Raises:
        ValueError: the transform is not in the pipeline of a ``MultiImageMixDataset``.
    """
    mixed = results.get("mix_results")
    if mixed is None or len(mixed) != number:
        raise ValueError(
            f"{results.get('img_path')}: {type(transform).__name__} got {len(mixed or ())} other "
            f"images, expected {number}: it belongs into the pipeline of a MultiImageMixDataset"
        )
    return mixed
