"""Deformable convolutions by an operator that PyTorch's exporter can translate to ONNX."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor, nn

__all__ = ["replace_deform_convs", "translations"]

_MODULATED, _PLAIN = "ModulatedDeformConv2dPack", "DeformConv2dPack"


class _DeformConv(nn.Module):
    """The deformable convolution of mmcv, computed with torchvision's operator."""

    def __init__(self, conv: Any, modulated: bool) -> None:
        super().__init__()
        self.conv_offset, self.weight = conv.conv_offset, conv.weight
        self.bias = getattr(conv, "bias", None)
        self.geometry = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
        self.modulated = modulated

    def forward(self, x: Tensor) -> Tensor:
        offset, mask = self.conv_offset(x), None
        if self.modulated:
            first, second, logits = offset.chunk(3, dim=1)
            offset, mask = torch.cat([first, second], dim=1), logits.sigmoid()
        return torchvision.ops.deform_conv2d(
            x, offset, self.weight, self.bias, mask=mask, **self.geometry
        )


def replace_deform_convs(model: nn.Module) -> int:
    """Replace mmcv's deformable convolutions by torchvision's operator, in place.

    The weights do not change.

    Returns:
        The number of replaced convolutions.
    """
    count = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ in (_MODULATED, _PLAIN):
                modulated = type(child).__name__ == _MODULATED
                setattr(module, name, _DeformConv(child, modulated))
                count += 1
    return count


def translations() -> dict[Any, Any]:
    """Return the translation of torchvision's operator to ONNX, for ``torch.onnx.export``."""
    from onnxscript import opset19

    def deform_conv2d(
        x: Any,
        weight: Any,
        offset: Any,
        mask: Any,
        bias: Any,
        stride_h: int,
        stride_w: int,
        pad_h: int,
        pad_w: int,
        dilation_h: int,
        dilation_w: int,
        groups: int,
        offset_groups: int,
        use_mask: bool,
    ) -> Any:
        return opset19.DeformConv(
            x,
            weight,
            offset,
            bias,
            mask if use_mask else None,
            strides=[stride_h, stride_w],
            pads=[pad_h, pad_w, pad_h, pad_w],
            dilations=[dilation_h, dilation_w],
            group=groups,
            offset_group=offset_groups,
        )

    return {torch.ops.torchvision.deform_conv2d.default: deform_conv2d}
