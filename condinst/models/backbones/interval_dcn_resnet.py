"""ResNet with a deformable convolution in every third block, as in the original's DCN variants."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_conv_layer
from mmdet.models.backbones import ResNet
from torch import nn

from condinst.registry import MODELS


@MODELS.register_module()
class IntervalDCNResNet(ResNet):
    """ResNet of mmdet with a deformable convolution in every ``dcn_interval``-th block of a stage.

    With ``dcn_interval=1`` it equals mmdet's ``ResNet`` with the same arguments. The offsets start
    at zero and the modulation at one half (Zhu et al., Deformable ConvNets v2, CVPR 2019).

    Args:
        dcn: config of the deformable convolution that replaces a block's 3x3 convolution, for
            example ``dict(type="DCNv2", deform_groups=1)``.
        stage_with_dcn: for each stage, whether it has deformable blocks.
        dcn_interval: 3 makes the blocks 0, 3, 6, ... of a stage deformable.
        **kwargs: arguments of mmdet's ``ResNet``.

    Raises:
        ValueError: ``dcn_interval`` is below 1, ``stage_with_dcn`` has not one value per stage, the
            blocks of this ``depth`` have no deformable form, or ``dcn`` has a key that is not
            supported.
    """

    def __init__(
        self,
        depth: int,
        *,
        dcn: dict[str, Any],
        stage_with_dcn: tuple[bool, ...] = (False, True, True, True),
        dcn_interval: int = 3,
        **kwargs: Any,
    ) -> None:
        num_stages = kwargs.get("num_stages", 4)
        if dcn_interval < 1:
            raise ValueError(f"backbone.dcn_interval={dcn_interval}: expected 1 or more")
        if len(stage_with_dcn) != num_stages:
            raise ValueError(
                f"backbone.stage_with_dcn={tuple(stage_with_dcn)}: expected {num_stages} values, "
                "one for each stage"
            )
        if depth < 50:
            raise ValueError(
                f"backbone.depth={depth}: expected 50, 101 or 152; the blocks of smaller ResNets "
                "have no deformable form"
            )
        dcn = dict(dcn)
        if dcn.pop("fallback_on_stride", False):
            raise ValueError("backbone.dcn.fallback_on_stride=True: expected False or nothing")
        self.dcn_interval = dcn_interval
        super().__init__(depth, dcn=dcn, stage_with_dcn=stage_with_dcn, **kwargs)

    def make_res_layer(self, **kwargs: Any) -> nn.Sequential:
        """Build a stage of plain blocks, then replace the 3x3 convolutions of some of them."""
        dcn = kwargs.pop("dcn")
        stage = super().make_res_layer(**kwargs)
        if dcn is not None:
            for block in list(stage)[:: self.dcn_interval]:
                plain = block.conv2
                block.conv2 = build_conv_layer(
                    dcn,
                    plain.in_channels,
                    plain.out_channels,
                    kernel_size=plain.kernel_size[0],
                    stride=plain.stride[0],
                    padding=plain.padding[0],
                    dilation=plain.dilation[0],
                    bias=False,
                )
        return stage
