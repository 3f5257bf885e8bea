"""RoIAlign."""

from typing import Any

import torch
import torchvision
from torch import Tensor

from .support import refuse, widen

__all__ = ["roi_align_backward", "roi_align_forward"]


def roi_align_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **geometry: Any
) -> None:
    """Fill ``output`` (R, C, h, w); rois (R, 5) are image index and xyxy before scaling."""
    output.copy_(_roi_align(widen(input), rois, **geometry))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    **geometry: Any,
) -> None:
    """Add the gradient to ``grad_input``, which arrives as zeros."""
    # RoIAlign is linear: its gradient does not depend on the values that it pooled.
    features = torch.zeros_like(widen(grad_input), requires_grad=True)
    with torch.enable_grad():
        output = _roi_align(features, rois, **geometry)
    grad_input.add_(torch.autograd.grad(output, features, widen(grad_output))[0])


def _roi_align(
    features: Tensor,
    rois: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> Tensor:
    if pool_mode == 0:
        refuse("operator 'roi_align_forward' with pool_mode='max'")
    return torchvision.ops.roi_align(
        features,
        rois.to(features.dtype),
        (aligned_height, aligned_width),
        spatial_scale,
        sampling_ratio,
        aligned,
    )
