"""Mask branch and mask head of RTMDet-Ins (RTMDet, Section 3.5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from condinst.models.dynamic_conv.dynamic_network import (
    dynamic_conv,
    layer_channels,
    num_dynamic_params,
)
from condinst.models.losses.box_supervision import BoxSupervision, instance_losses
from condinst.models.structures import GroundTruth, Instances

__all__ = ["RTMDetMaskBranch", "RTMDetMaskHead"]


class RTMDetMaskBranch(BaseModule):
    """Fuse all pyramid levels into mask features at the finest level's size.

    Args:
        in_channels: channels of each pyramid level.
        feat_channels: channels of the tower.
        num_levels: number of pyramid levels.
        out_channels: channels of the mask features.
        num_stacked_convs: convolutions in the tower.
    """

    def __init__(
        self,
        in_channels: int,
        feat_channels: int,
        num_levels: int,
        out_channels: int,
        num_stacked_convs: int = 4,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        # the attribute names are those of mmdet's checkpoints
        self.fusion_conv = nn.Conv2d(num_levels * in_channels, in_channels, 1)
        self.stacked_convs = nn.Sequential(
            *(
                ConvModule(
                    in_channels if i == 0 else feat_channels,
                    feat_channels,
                    3,
                    padding=1,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg,
                )
                for i in range(num_stacked_convs)
            )
        )
        self.projection = nn.Conv2d(feat_channels, out_channels, 1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Compute the mask features.

        Args:
            feats: pyramid levels, each (B, in_channels, H_l, W_l), finest first.

        Returns:
            (B, out_channels, H_0, W_0).
        """
        # One convolution of all enlarged levels would be the sum of its parts. Each part runs
        # before the enlarging, which commutes with it, on a fourth or a sixteenth of the cells.
        width = feats[0].shape[1]
        weights = [
            self.fusion_conv.weight[:, i * width : (i + 1) * width] for i in range(len(feats))
        ]
        total = F.conv2d(feats[0], weights[0], self.fusion_conv.bias)  # (B, in_channels, H_0, W_0)
        for feat, weight in zip(feats[1:], weights[1:], strict=True):
            part = F.conv2d(feat, weight)
            total = total + F.interpolate(part, size=total.shape[-2:], mode="bilinear")
        return self.projection(self.stacked_convs(total))


class RTMDetMaskHead(BaseModule):
    """Compute the mask of each instance with the instance's own dynamic network.

    It has no weights of its own. The branch belongs to the box head, under whose name mmdet's
    checkpoints have it.

    Args:
        branch: the mask branch.
        num_layers: layers of the dynamic network.
        feat_channels: hidden channels of the dynamic network.
        stride: stride of the mask features, pixels.
        point_offset: place of a cell's point in the cell, from 0 (its corner) to 1.
        mask_loss_stride: stride of the logits in the loss, pixels; must divide ``stride``.
        loss_mask: the loss between logits and targets.
        boxes: the losses that learn masks from boxes; None to learn them from masks.

    Raises:
        ValueError: ``mask_loss_stride`` does not divide ``stride``.
    """

    size_of_interest = 8  # unit of the relative coordinates, in strides of the instance's level

    def __init__(
        self,
        branch: RTMDetMaskBranch,
        *,
        num_layers: int,
        feat_channels: int,
        stride: int,
        point_offset: float,
        mask_loss_stride: int,
        loss_mask: nn.Module,
        boxes: BoxSupervision | None = None,
    ) -> None:
        super().__init__()
        if mask_loss_stride < 1 or stride % mask_loss_stride:
            raise ValueError(
                f"bbox_head.mask_loss_stride={mask_loss_stride} must divide {stride}, the stride "
                "of the finest level (bbox_head.anchor_generator.strides)"
            )
        # not registered: its weights must not appear under two names
        object.__setattr__(self, "mask_feature_head", branch)
        shape = (branch.out_channels, feat_channels, num_layers)
        self.channels = layer_channels(*shape)
        self.num_params = num_dynamic_params(*shape)
        self.mask_feat_stride = self.mask_out_stride = stride
        self.point_offset = point_offset
        self.mask_loss_stride = mask_loss_stride
        self.loss_mask = loss_mask
        self.boxes = boxes

    def forward(self, mask_feats: Tensor, instances: Instances) -> Tensor:
        """Compute the mask logits of all instances.

        Args:
            mask_feats: (B, C, H, W) from the mask branch.
            instances: N instances of these B images.

        Returns:
            (N, H, W) logits at the stride of the mask features.
        """
        # ``dynamic_conv`` measures from the centers of the cells, this model from its points: the
        # coordinates are equal if the points move too
        moved = instances.points + (0.5 - self.point_offset) * self.mask_feat_stride
        return dynamic_conv(
            mask_feats,
            instances.params,
            moved,
            instances.strides * self.size_of_interest,
            instances.counts,
            self.channels,
            self.mask_feat_stride,
        )

    def finer_logits(self, mask_feats: Tensor, instances: Instances) -> Tensor:
        """Compute the (N, H', W') logits of the loss, at ``mask_loss_stride``."""
        logits = self(mask_feats, instances).unsqueeze(1)  # (N, 1, H, W)
        factor = self.mask_feat_stride // self.mask_loss_stride
        return F.interpolate(logits, scale_factor=factor, mode="bilinear").squeeze(1)

    def loss(
        self, mask_feats: Tensor, instances: Instances, ground_truths: Sequence[GroundTruth]
    ) -> dict[str, Tensor]:
        """Compute the losses of :func:`~condinst.models.losses.box_supervision.instance_losses`.

        Args:
            mask_feats: (B, C, H, W) from the mask branch.
            instances: the N training positives.
            ground_truths: one per image.
        """
        return instance_losses(
            self.finer_logits, mask_feats, instances, ground_truths, self.loss_mask, self.boxes
        )
