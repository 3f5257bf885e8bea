"""Mask branch: pyramid levels to mask features (paper, Section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, kaiming_init
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condinst.models.upsample import aligned_upsample


class MaskBranch(BaseModule):
    """Fuse pyramid levels into mask features.

    Each level passes one convolution and is enlarged to the finest level's size. The sum of all
    passes a tower and a 1x1 projection.

    Args:
        in_channels: channels of each pyramid level.
        feat_channels: channels of the tower.
        start_level: first pyramid level used (0 is the neck's first output).
        end_level: last pyramid level used, included.
        out_channels: channels of the mask features.
        mask_stride: stride of the finest level used, pixels.
        num_stacked_convs: convolutions in the tower.
        norm_eval: whether batch norms use their running averages in training, for batches of too
            few images to average over; with ``norm_cfg.requires_grad=False`` they are frozen.

    Raises:
        ValueError: the levels are negative or in the wrong order.
    """

    def __init__(
        self,
        in_channels: int,
        feat_channels: int,
        start_level: int,
        end_level: int,
        out_channels: int,
        mask_stride: int = 4,
        num_stacked_convs: int = 4,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not 0 <= start_level <= end_level:
            raise ValueError(
                "mask_feature_head needs 0 <= start_level <= end_level, got "
                f"start_level={start_level}, end_level={end_level}"
            )
        self.start_level = start_level
        self.end_level = end_level
        self.out_channels = out_channels
        self.mask_stride = mask_stride
        self.norm_eval = norm_eval

        def conv3x3(channels: int, inplace: bool) -> ConvModule:
            return ConvModule(
                channels,
                feat_channels,
                3,
                padding=1,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
                bias=False,
                inplace=inplace,
            )

        # The attribute names are those of mmdet's checkpoints. The levels' ReLU must not run in
        # place: it would overwrite what the gradient of the sum needs.
        self.convs_all_levels = nn.ModuleList(
            nn.Sequential() for _ in range(start_level, end_level + 1)
        )
        for level, convs in enumerate(self.convs_all_levels, start_level):
            convs.add_module(f"conv{level}", conv3x3(in_channels, inplace=False))
        self.conv_branch = nn.Sequential(
            *(conv3x3(feat_channels, inplace=True) for _ in range(num_stacked_convs))
        )
        self.conv_pred = nn.Conv2d(feat_channels, out_channels, 1)

    def init_weights(self) -> None:
        """Initialize each convolution Kaiming uniform with a = 1: the bound is sqrt(3 / fan_in)."""
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                kaiming_init(
                    module, a=1, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform"
                )

    def train(self, mode: bool = True) -> MaskBranch:
        """Set the mode; with ``norm_eval``, batch norms keep evaluation mode."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Compute the mask features.

        Args:
            feats: pyramid levels, each (B, in_channels, H_l, W_l), finest first.

        Returns:
            (B, out_channels, H, W) at the size of level ``start_level``.
        """
        levels = feats[self.start_level : self.end_level + 1]
        height, width = levels[0].shape[-2:]
        total = self.convs_all_levels[0](levels[0])  # (B, feat_channels, H, W)
        for i, level in enumerate(levels[1:], 1):
            # each halving rounds a level's size up, so the enlarged map can be too large
            enlarged = aligned_upsample(self.convs_all_levels[i](level), 2**i)
            total = total + enlarged[..., :height, :width]  # (B, feat_channels, H, W)
        return self.conv_pred(self.conv_branch(total))
