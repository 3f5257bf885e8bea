"""CSPNeXt, RTMDet's backbone, for images of any number of channels."""

from __future__ import annotations

from typing import Any

from mmdet.models.backbones import CSPNeXt as MMDetCSPNeXt
from torch import nn

from condinst.registry import MODELS


@MODELS.register_module()
class CSPNeXt(MMDetCSPNeXt):
    """CSPNeXt of mmdet, with its weights and their names.

    Args:
        in_channels: channels of the images; weights that were trained on RGB are adapted when they
            are loaded.
        **kwargs: arguments of mmdet's ``CSPNeXt``.
    """

    def __init__(self, *args: Any, in_channels: int = 3, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if in_channels != 3:
            stem: Any = self.stem[0]
            first = stem.conv
            stem.conv = nn.Conv2d(
                in_channels,
                first.out_channels,
                first.kernel_size,
                first.stride,
                first.padding,
                bias=first.bias is not None,
            )
