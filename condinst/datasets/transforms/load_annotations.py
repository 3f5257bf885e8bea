"""Load annotations whose masks are polygons, compressed RLE, uncompressed RLE or a mix."""

from typing import Any

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations as MMDetLoadAnnotations
from mmdet.structures.mask import PolygonMasks

from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks, crop_of_runs
from condinst.masks.polygon_rle import is_quick_to_draw, polygons_to_rle
from condinst.masks.rle import checked_rle, read_counts
from condinst.registry import TRANSFORMS

__all__ = ["LoadAnnotations"]


@TRANSFORMS.register_module()
class LoadAnnotations(MMDetLoadAnnotations):
    """``LoadAnnotations`` of mmdet that keeps RLE instances with ``poly2mask=False``.

    With ``poly2mask=False``, mmdet ignores every RLE instance. Here, an image whose instances to
    learn from are all polygons gets ``PolygonMasks`` exactly as in mmdet; crowds, which COCO stores
    as RLE, are ignored instances with a placeholder polygon. An image with an RLE instance to learn
    from gets ``BitmapMasks`` for all its instances, as
    :class:`~condinst.masks.crop_masks.CropMasks`. Later stages take either kind.

    Polygons whose outline is too long to be drawn repeatedly (millions of pixels, from a million
    points or points far outside the image) are drawn once, here, and become RLE.

    An instance without any polygon of 3 points or more (or without a segmentation) is ignored, as
    in mmdet. But where the dataset has marked an instance without a segmentation as ``box_only``
    (see :class:`~condinst.datasets.CocoDataset`), its filled box stands for the mask, with the flag
    of :class:`~condinst.masks.crop_masks.CropMasks`, which all masks of the image become.

    Raises:
        ValueError: an RLE does not fit the image, or a segmentation has another layout. The message
            names the image and the instance.
    """

    def _load_masks(self, results: dict) -> None:
        height, width = results["ori_shape"]
        instances = results.get("instances", [])
        masks: list[dict | list[np.ndarray] | Crop] = []
        for index, instance in enumerate(instances):
            if instance.get("box_only") and not instance["ignore_flag"]:
                masks.append(Crop.of_box(instance["bbox"], height, width))
                continue
            try:
                mask = _read_segmentation(instance.get("mask"), height, width)
            except ValueError as error:
                raise ValueError(
                    f"{results.get('img_path')}: annotation {index + 1} of {len(instances)} (box "
                    f"{[round(float(x), 1) for x in instance['bbox']]}, label "
                    f"{instance['bbox_label']}): {error}"
                ) from None
            if not mask:
                instance["ignore_flag"] = 1
                mask = [np.zeros(6)]
            masks.append(mask)
        ignored = np.array([instance["ignore_flag"] for instance in instances], dtype=bool)
        results["gt_ignore_flags"] = ignored
        no_polygons = any(
            not isinstance(mask, list) and not skip
            for mask, skip in zip(masks, ignored, strict=True)
        )
        if self.poly2mask or no_polygons:
            boxes = [isinstance(mask, Crop) for mask in masks]
            crops = [_to_crop(mask, height, width) for mask in masks]
            results["gt_masks"] = CropMasks(crops, height, width, boxes if any(boxes) else None)
        else:
            polygons = [mask if isinstance(mask, list) else [np.zeros(6)] for mask in masks]
            results["gt_masks"] = PolygonMasks(polygons, height, width)


def _read_segmentation(segmentation: Any, height: int, width: int) -> dict | list[np.ndarray]:
    """Return compressed RLE, or the polygons with 3 points or more (an empty list if none)."""
    if isinstance(segmentation, dict):
        return checked_rle(segmentation, height, width)
    try:
        polygons = [
            np.array(polygon, np.float64)
            for polygon in segmentation or []
            if len(polygon) % 2 == 0 and len(polygon) >= 6
        ]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            "its segmentation must be RLE (a dict) or a list of polygons [[x1, y1, x2, y2, ...]], "
            f"got {str(segmentation)[:60]}"
        ) from None
    # NaN is not quick to draw, so polygons_to_rle gets it and refuses it
    return polygons if is_quick_to_draw(polygons) else polygons_to_rle(polygons, height, width)


def _to_crop(mask: dict | list[np.ndarray] | Crop, height: int, width: int) -> Crop:
    """Convert compressed RLE or polygons to a crop."""
    if isinstance(mask, Crop):
        return mask
    rle = mask if isinstance(mask, dict) else polygons_to_rle(mask, height, width)
    return crop_of_runs(read_counts(rle["counts"]), height)
