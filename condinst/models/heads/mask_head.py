"""Mask head: instances and mask features to mask logits (paper, Section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor

from condinst.models.dynamic_conv.dynamic_network import (
    dynamic_conv,
    layer_channels,
    num_dynamic_params,
)
from condinst.models.heads.mask_branch import MaskBranch
from condinst.models.losses.box_supervision import BoxSupervision, instance_losses
from condinst.models.structures import GroundTruth, Instances
from condinst.models.upsample import aligned_upsample
from condinst.registry import MODELS


@MODELS.register_module()
class CondInstMaskHead(BaseModule):
    """Compute the mask of each instance with the instance's own dynamic network.

    Training positives and detections come as the same record, so that training and testing share
    :meth:`forward`.

    Args:
        mask_feature_head: arguments of :class:`~condinst.models.heads.mask_branch.MaskBranch`.
        num_layers: layers of the dynamic network.
        feat_channels: hidden channels of the dynamic network.
        mask_out_stride: stride of the returned logits, pixels; must divide the branch's stride.
        size_of_interest: unit of the relative coordinates, in strides of the instance's level.
        max_masks_to_train: most masks per image in the loss, chosen at random; -1 for all.
        topk_masks_per_img: most masks per image in the loss, the best of each object in equal
            numbers; applies where ``max_masks_to_train`` did not; -1 for all.
        loss_mask: config of the loss between logits and targets.
        box_supervision: arguments of
            :class:`~condinst.models.losses.box_supervision.BoxSupervision`, with which masks are
            learned from boxes; None to learn them from masks.

    Raises:
        ValueError: ``mask_out_stride`` does not divide the stride of the mask branch.
    """

    def __init__(
        self,
        mask_feature_head: dict,
        num_layers: int = 3,
        feat_channels: int = 8,
        mask_out_stride: int = 4,
        size_of_interest: int = 8,
        max_masks_to_train: int = -1,
        topk_masks_per_img: int = -1,
        loss_mask: dict | None = None,
        box_supervision: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.mask_feature_head = MaskBranch(**mask_feature_head)
        self.mask_feat_stride = self.mask_feature_head.mask_stride
        if self.mask_feat_stride % mask_out_stride:
            raise ValueError(
                f"mask_head.mask_out_stride={mask_out_stride} must divide "
                f"mask_head.mask_feature_head.mask_stride={self.mask_feat_stride}"
            )
        shape = (self.mask_feature_head.out_channels, feat_channels, num_layers)
        self.channels = layer_channels(*shape)
        self.num_params = num_dynamic_params(*shape)
        self.mask_out_stride = mask_out_stride
        self.size_of_interest = size_of_interest
        self.max_masks_to_train = max_masks_to_train
        self.topk_masks_per_img = topk_masks_per_img
        self.loss_mask = MODELS.build(loss_mask or dict(type="DiceLoss", eps=5e-6))
        self.boxes = BoxSupervision.of(box_supervision, "model.mask_head.box_supervision")
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg

    def forward(self, mask_feats: Tensor, instances: Instances) -> Tensor:
        """Compute the mask logits of all instances.

        Args:
            mask_feats: (B, C, H, W) from the mask branch.
            instances: N instances of these B images.

        Returns:
            (N, H', W') logits, one cell per ``mask_out_stride`` pixels of the input image.
        """
        logits = dynamic_conv(  # (N, H, W)
            mask_feats,
            instances.params,
            instances.points,
            instances.strides * self.size_of_interest,
            instances.counts,
            self.channels,
            self.mask_feat_stride,
        )
        factor = self.mask_feat_stride // self.mask_out_stride
        # instances become the batch: interpolation accepts an empty batch, but no empty channels
        return aligned_upsample(logits.unsqueeze(1), factor).squeeze(1)

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
            self, mask_feats, instances, ground_truths, self.loss_mask, self.boxes
        )
