"""Class and box loss by hand."""

import math

import pytest
import torch
from mmdet.models.losses import GIoULoss, QualityFocalLoss

from condinst.models.losses.soft_label_losses import soft_label_losses
from condinst.models.structures import DensePredictions, SoftAssignment


def test_two_points_by_hand():
    """One positive of quality 0.5, one negative, one outside the image."""
    logits = torch.zeros(1, 2, 1, 3, requires_grad=True)
    dense = DensePredictions([logits], [torch.full((1, 4, 1, 3), 4.0)], [], [])
    assignment = SoftAssignment(
        labels=torch.tensor([[1, 2, 2]]),
        weights=torch.tensor([[1.0, 1.0, 0.0]]),
        img_inds=torch.tensor([0]),
        point_inds=torch.tensor([0]),
        gt_inds=torch.tensor([0]),
        bbox_targets=torch.tensor([[4.0, 4.0, 12.0, 8.0]]),
        qualities=torch.tensor([0.5]),
        counts=[1],
    )
    points = torch.tensor([[8.0, 8.0], [16.0, 8.0], [24.0, 8.0]])
    losses = soft_label_losses(
        dense, assignment, points, loss_cls=QualityFocalLoss(), loss_bbox=GIoULoss()
    )
    # a score of 0.5: three negative entries of log(2) / 4 and one whose target is met; the sum of
    # the qualities, 0.5, counts as 1
    assert losses["loss_cls"].item() == pytest.approx(3 * math.log(2) / 4, rel=1e-5)
    # the box (4, 4, 12, 12) covers the target twice: 1 - 0.5, times the quality
    assert losses["loss_bbox"].item() == pytest.approx(0.25, rel=1e-4)
    losses["loss_cls"].backward()
    assert logits.grad[0, :, 0, 2].tolist() == [0, 0]
