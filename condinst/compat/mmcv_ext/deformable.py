"""Deformable convolution v1 and v2.

mmcv's column buffers and im2col_step steer its own memory use and have no meaning here.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor

from .support import widen

__all__ = [
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
]

# How mmcv calls stride, padding and dilation in deformable convolutions v1 and v2.
_DEFORM_V1 = ("dH", "dW", "padH", "padW", "dilationH", "dilationW")
_DEFORM_V2 = ("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w")


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: Any,
) -> None:
    """Write deformable convolution v1 to ``output``; offsets are (y, x) per kernel position."""
    output.copy_(_deform_conv(geometry, input, offset, weight))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: Any,
) -> None:
    """Add the gradients to ``grad_input`` and ``grad_offset``."""
    tensors = [input, offset, weight]
    _add_deform_grads(geometry, tensors, [grad_input, grad_offset, None], grad_output)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: Any,
) -> None:
    """Add ``scale`` times the gradient to ``grad_weight``."""
    # The convolution is linear in its weight: the gradient does not depend on its values.
    tensors = [input, offset, torch.zeros_like(grad_weight)]
    _add_deform_grads(geometry, tensors, [None, None, grad_weight], grad_output * scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: Any,
) -> None:
    """Write deformable convolution v2 to ``output``; an empty ``bias`` stands for none."""
    biases = [bias] if with_bias else []
    output.copy_(_deform_conv(geometry, input, offset, weight, mask, *biases))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: Any,
) -> None:
    """Add the gradients to their buffers."""
    tensors = [input, offset, weight, mask]
    buffers: list[Tensor | None] = [grad_input, grad_offset, grad_weight, grad_mask]
    if with_bias:
        tensors.append(bias)
        buffers.append(grad_bias)
    _add_deform_grads(geometry, tensors, buffers, grad_output)


def _deform_conv(
    geometry: dict[str, Any],
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Convolve in float32 or wider; ``geometry`` has v1's or v2's names."""
    # torchvision reads both group counts off the shapes and would follow a wrong shape silently.
    groups, deform_groups = geometry["group"], geometry["deformable_group"]
    if weight.shape[1] * groups != input.shape[1]:
        raise ValueError(
            f"deformable convolution: an input of {input.shape[1]} channels and groups={groups} "
            f"need a weight of {input.shape[1] / groups:g} channels, got {weight.shape[1]}"
        )
    num_offsets = 2 * deform_groups * weight.shape[2] * weight.shape[3]
    if offset.shape[1] != num_offsets:
        raise ValueError(
            f"deformable convolution: a kernel of {tuple(weight.shape[2:])} and deform_groups="
            f"{deform_groups} need {num_offsets} offset channels, got {offset.shape[1]}"
        )
    names = _DEFORM_V1 if "dH" in geometry else _DEFORM_V2
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w = (geometry[name] for name in names)
    return torchvision.ops.deform_conv2d(
        widen(input),
        widen(offset),
        widen(weight),
        None if bias is None else widen(bias),
        stride=(stride_h, stride_w),
        padding=(pad_h, pad_w),
        dilation=(dilation_h, dilation_w),
        mask=None if mask is None else widen(mask),
    )


def _add_deform_grads(
    geometry: dict[str, Any],
    tensors: Sequence[Tensor],
    buffers: Sequence[Tensor | None],
    grad_output: Tensor,
) -> None:
    """Recompute the convolution and add its gradients to those ``buffers`` that are not None."""
    leaves = [
        widen(tensor).detach().requires_grad_(buffer is not None)
        for tensor, buffer in zip(tensors, buffers, strict=True)
    ]
    with torch.enable_grad():
        output = _deform_conv(geometry, *leaves)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    grads = torch.autograd.grad(output, wanted, widen(grad_output))
    for buffer, grad in zip([b for b in buffers if b is not None], grads, strict=True):
        buffer.add_(grad)
