"""Compute the targets of objects with masks and of objects with boxes alone."""

import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.mask import BitmapMasks

from condinst.datasets.transforms.prepare_box_targets import PrepareBoxTargets
from condinst.datasets.transforms.prepare_mask_targets import PrepareMaskTargets
from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

__all__ = ["PrepareMixedTargets"]


@TRANSFORMS.register_module()
class PrepareMixedTargets(BaseTransform):
    """Prepare masks where they are known, and colors for the other objects.

    It is the last step before PackDetInputs, for a dataset with ``allow_box_only``. Masks are
    sampled as ``PrepareMaskTargets`` samples them. The colors of an image are compared as
    ``PrepareBoxTargets`` compares them, if an object of the image has only a box. The model needs
    ``box_supervision``.

    Args:
        stride: input-image pixels per cell of the mask head's logits; the value of
            ``model.mask_head.mask_out_stride``.
        pairwise_size, pairwise_dilation, color_thresh: see
            :class:`~condinst.datasets.PrepareBoxTargets`.
        bottom_pixels_removed, channel_order, value_range: likewise.

    Raises:
        ValueError: an argument has an invalid value; there are no masks; or a transform before has
            lost which objects have only a box, or has moved boxes and masks apart.
    """

    def __init__(
        self,
        stride: int = 4,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        color_thresh: float = 0.3,
        bottom_pixels_removed: int = 10,
        channel_order: str = "bgr",
        value_range: float | None = None,
    ) -> None:
        self._masks = PrepareMaskTargets(stride)
        self._boxes = PrepareBoxTargets(
            stride,
            pairwise_size,
            pairwise_dilation,
            color_thresh,
            bottom_pixels_removed,
            channel_order,
            value_range,
        )

    def transform(self, results: dict) -> dict:
        _check_flags(results)
        masks = self._masks.sample(results)
        if masks.box_only is None:
            # all images have flags, so that all processes compute the same losses
            masks.box_only = torch.zeros(len(masks), dtype=torch.bool)
        else:
            masks.colors = self._boxes.compare(results)
        results["gt_masks"] = masks
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._boxes})"


def _check_flags(results: dict) -> None:
    """Check that the masks still tell which objects have only a box.

    Raises:
        ValueError: a transform has made mmdet's bitmaps, in which a box would be learned as a mask.
    """
    masks = results.get("gt_masks")
    lost = isinstance(masks, BitmapMasks) and not isinstance(masks, CropMasks)
    if lost and any(instance.get("box_only") for instance in results.get("instances", ())):
        raise ValueError(
            f"{results.get('img_path')}: PrepareMixedTargets finds bitmaps that do not tell which "
            "objects have only a box: a transform has replaced the masks of LoadAnnotations; use "
            "condinst's transform of that name"
        )
