"""Compute the mask targets in the data workers."""

import inspect
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from condinst.masks.crop_masks import CropMasks, crop_of_runs
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import checked_rle, read_counts
from condinst.registry import TRANSFORMS
from condinst.targets.mask_guard import misplaced
from condinst.targets.mask_samples import sample_masks
from condinst.targets.target_types import SampledMasks

__all__ = ["PrepareMaskTargets"]


@TRANSFORMS.register_module()
class PrepareMaskTargets(BaseTransform):
    """Replace ``gt_masks`` by sampled masks; the last step before PackDetInputs.

    Without this transform, the training step samples the masks, and the losses are equal. With it,
    the data workers do the work, and an image's masks travel as samples instead of polygons or
    bitmaps. Only condinst's detectors can read them.

    Args:
        stride: input-image pixels per cell of the mask head's logits; the value of
            ``model.mask_head.mask_out_stride``.
        semantic_stride: input-image pixels per cell of the semantic head's logits; the value of
            ``model.semantic_head.stride``. None without a semantic head.

    Raises:
        ValueError: a stride is not a whole number above 0; there are no ``gt_masks``; an object has
            only a box; or a transform before has moved boxes and masks apart, or lost masks.
            Annotations whose own boxes and masks differ pass.
    """

    def __init__(self, stride: int = 4, semantic_stride: int | None = None) -> None:
        given = {"stride": stride}
        if semantic_stride is not None:
            given["semantic_stride"] = semantic_stride
        for name, value in given.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"PrepareMaskTargets: {name} must be a whole number > 0, got {value}"
                )
        self.stride = stride
        self.semantic_stride = semantic_stride

    def transform(self, results: dict) -> dict:
        results["gt_masks"] = masks = self.sample(results)
        if masks.box_only is not None:
            raise ValueError(
                f"{results.get('img_path')}: PrepareMaskTargets finds {int(masks.box_only.sum())} "
                "objects with a box and no mask, which the dataset's allow_box_only keeps; "
                "PrepareMixedTargets prepares both"
            )
        return results

    def sample(self, results: dict) -> SampledMasks:
        """Sample the masks of an image; see the class for the errors."""
        if "gt_masks" not in results:
            raise ValueError(
                f"{results.get('img_path')}: the step that prepares targets finds no gt_masks; the "
                "pipeline needs LoadAnnotations(with_mask=True) before it"
            )
        masks = results["gt_masks"]
        if "gt_bboxes" in results:
            _check_fit(results)
        # mmdet rounds the size of image and masks differently in FixScaleResize, by a pixel
        size = results["img"].shape[:2] if "img" in results else (masks.height, masks.width)
        if (masks.height, masks.width) != size:
            masks = CropMasks.of(masks).move(0, 0, size)
        return sample_masks(masks, self.stride, self.semantic_stride)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(stride={self.stride}, semantic_stride={self.semantic_stride})"
        )


def _check_fit(results: dict) -> None:
    """Compare masks and boxes.

    Raises:
        ValueError: there are more or fewer masks than boxes, or most masks stick out of their
            boxes, although those of the annotations do not.
    """
    masks, boxes = results["gt_masks"], results["gt_bboxes"]
    where = f"{results.get('img_path')}: after the pipeline {_pipeline()}, "
    if len(masks) != len(boxes):
        raise ValueError(
            f"{where}there are {len(masks)} masks for {len(boxes)} boxes: a transform drops or "
            "adds objects without their masks"
        )
    ignored = np.asarray(results.get("gt_ignore_flags", np.zeros(len(boxes))), bool)
    kept = np.flatnonzero(~ignored)
    corners = np.asarray(getattr(boxes, "tensor", boxes), float).reshape(-1, 4)
    wrong = int(np.count_nonzero(misplaced(masks[kept], corners[kept]))) if len(kept) else 0
    if 2 * wrong > len(kept) and not _is_annotated_so(results):
        raise ValueError(
            f"{where}the masks of {wrong} of {len(kept)} objects lie outside their boxes: a "
            "transform moves the image and only one of the two (condinst browse draws both)"
        )


def _is_annotated_so(results: dict) -> bool:
    """Tell whether the masks of most annotations of the image stick out of their own boxes."""
    size = results.get("ori_shape")
    instances = [
        each
        for each in results.get("instances", ())
        if not (each.get("ignore_flag") or each.get("box_only"))
    ]
    if size is None or not instances:
        return False
    crops = []
    for instance in instances:
        mask = instance.get("mask")
        if isinstance(mask, dict):
            rle = checked_rle(mask, *size)
        else:
            rle = polygons_to_rle([p for p in mask if len(p) >= 6 and not len(p) % 2], *size)
        crops.append(crop_of_runs(read_counts(rle["counts"]), size[0]))
    boxes = np.array([instance["bbox"] for instance in instances], float)
    wrong = np.count_nonzero(misplaced(CropMasks(crops, *size), boxes))
    return bool(2 * wrong > len(instances))


def _pipeline() -> str:
    """Return the names of the transforms that were running, for a message."""
    names: list[str] = []
    frame: Any = inspect.currentframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        steps = getattr(owner, "transforms", None) or getattr(owner, "pipeline", None)
        if steps is not None and frame.f_code.co_name in ("__call__", "__getitem__"):
            if hasattr(steps, "transforms"):
                steps = steps.transforms
            if isinstance(steps, list | tuple):
                names = [type(step).__name__ for step in steps]
        frame = frame.f_back
    return ", ".join(names) if names else "before PrepareMaskTargets"
