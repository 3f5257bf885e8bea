"""Post-processing of RTMDet-Ins' mask logits to masks at the requested image size.

Logits, not scores, are interpolated, first to the padded input image, then to the size that this
has in the output, of which the output is the upper left part. Only outlines are interpolated, as in
``masks``.

Shapes: N instances, H' x W' cells of the logits, H x W pixels of the output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from condinst.masks.crop import Crop
from condinst.models.postprocess.mask_outline import ResizeAxis
from condinst.models.postprocess.masks import MAX_ELEMENTS, format_masks, mask_crops

__all__ = ["postprocess_logit_masks", "resized_shape", "whole_logit_masks"]


def postprocess_logit_masks(
    mask_logits: Tensor,
    *,
    stride: int,
    resized: tuple[int, int],
    out_shape: tuple[int, int],
    mask_thr: float,
    mask_format: str = "bool",
    max_elements: int = MAX_ELEMENTS,
) -> Tensor | list[Crop] | list[dict]:
    """Enlarge and threshold masks.

    The masks are those of :func:`whole_logit_masks`, except at pixels whose logit lies within
    float32 rounding of the threshold.

    Args:
        mask_logits: (N, H', W').
        stride: stride of the logits, input-image pixels.
        resized: height and width of the padded input image in the output, see
            :func:`resized_shape`.
        out_shape: height and width of the returned masks.
        mask_thr: a pixel belongs to the mask if its score, from 0 to 1, exceeds this.
        mask_format: see :func:`~condinst.models.postprocess.masks.postprocess_masks`.
        max_elements: bound on the size of intermediate maps; changes memory only.

    Returns:
        N masks in the requested format.

    Raises:
        ValueError: ``mask_format`` has another value.
    """
    axes = tuple(
        ResizeAxis.bilinear(cells, stride, size, out)
        for cells, size, out in zip(mask_logits.shape[-2:], resized, out_shape, strict=True)
    )
    whole = partial(
        whole_logit_masks, stride=stride, resized=resized, out_shape=out_shape, mask_thr=mask_thr
    )
    enlarged_size = mask_logits.shape[-2] * mask_logits.shape[-1] * stride**2
    chunk = max(1, max_elements // max(resized[0] * resized[1], enlarged_size))
    crops = mask_crops(mask_logits, axes, mask_thr, whole, chunk, of_logits=True)
    return format_masks(crops, len(mask_logits), out_shape, mask_format, mask_logits.device)


def whole_logit_masks(
    mask_logits: Tensor,
    stride: int,
    resized: tuple[int, int],
    out_shape: tuple[int, int],
    mask_thr: float,
) -> Tensor:
    """Enlarge and threshold all pixels of all instances at once: (N, H, W) bool.

    The arguments are those of :func:`postprocess_logit_masks`.
    """
    logits = F.interpolate(mask_logits.unsqueeze(1), scale_factor=stride, mode="bilinear")
    if tuple(resized) != tuple(logits.shape[-2:]):
        logits = F.interpolate(logits, resized, mode="bilinear", align_corners=False)
    return logits[:, 0, : out_shape[0], : out_shape[1]].sigmoid() > mask_thr


def resized_shape(
    padded: tuple[int, int],
    ori_shape: Sequence[int],
    scale_factor: Sequence[float],
) -> tuple[int, int]:
    """Return the size that the padded input image has at the scale of the original image.

    mmdet multiplies the height by the width's factor and the width by the height's. Where both are
    one factor, rounded to whole pixels, the published models are evaluated so, and it moves masks
    by a pixel at most: the answers are mmdet's. Where the image was stretched, or mmdet's masks
    would be smaller than the image, each side gets its own factor.

    Args:
        padded: height and width of the input image with its padding.
        ori_shape: height and width of the original image.
        scale_factor: width and height of the input image over those of the original.

    Returns:
        Height and width, at least those of the original image.
    """
    x_factor, y_factor = (float(factor) for factor in scale_factor)
    height, width = padded
    rounding = 0.5 / (ori_shape[1] * x_factor) + 0.5 / (ori_shape[0] * y_factor)
    if abs(x_factor / y_factor - 1) <= rounding * 1.01:
        swapped = math.ceil(height * (1 / x_factor)), math.ceil(width * (1 / y_factor))
        if swapped[0] >= ori_shape[0] and swapped[1] >= ori_shape[1]:
            return swapped
    return (
        max(math.ceil(height * (1 / y_factor)), ori_shape[0]),
        max(math.ceil(width * (1 / x_factor)), ori_shape[1]),
    )
