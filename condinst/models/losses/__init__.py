"""Losses for boxes and masks."""

from condinst.models.losses.box_supervision import BoxSupervision, instance_losses
from condinst.models.losses.detection_losses import box_losses, centerness_targets
from condinst.models.losses.mask_losses import MaskTargets, mask_loss, sum_over_chunks
from condinst.models.losses.pairwise_loss import pairwise_loss
from condinst.models.losses.pseudo_mask_losses import pseudo_mask_losses

__all__ = [
    "BoxSupervision",
    "MaskTargets",
    "box_losses",
    "centerness_targets",
    "instance_losses",
    "mask_loss",
    "pairwise_loss",
    "pseudo_mask_losses",
    "sum_over_chunks",
]
