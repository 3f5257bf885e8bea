"""Losses for boxes and masks."""

from condinst.models.losses.detection_losses import box_losses, centerness_targets
from condinst.models.losses.mask_losses import MaskTargets, mask_loss, sum_over_chunks

__all__ = ["MaskTargets", "box_losses", "centerness_targets", "mask_loss", "sum_over_chunks"]
