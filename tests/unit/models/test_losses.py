"""Losses by hand."""

import math

import pytest
import torch
from mmdet.models.losses import DiceLoss

from condinst.models.losses import centerness_targets, flatten_levels, mask_loss
from condinst.structures import GroundTruth, Instances


def test_centerness_by_hand():
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) with l, t, r, b = 1, 2, 4, 8."""
    found = centerness_targets(torch.tensor([[1.0, 2, 4, 8], [5.0, 5, 5, 5]]))
    assert found.tolist() == pytest.approx([math.sqrt(1 / 4 * 2 / 8), 1.0])
    assert centerness_targets(torch.zeros(0, 4)).shape == (0,)


def test_levels_are_flattened_row_by_row():
    first = torch.arange(8.0).reshape(1, 2, 2, 2)
    second = torch.tensor([[[[10.0]], [[20.0]]]])
    expected = [[0, 4], [1, 5], [2, 6], [3, 7], [10, 20]]
    assert flatten_levels([first, second])[0].tolist() == expected


def instances(img_inds, gt_inds):
    count = len(img_inds)
    return Instances(
        params=torch.zeros(count, 1),
        points=torch.zeros(count, 2),
        strides=torch.zeros(count),
        img_inds=torch.tensor(img_inds, dtype=torch.long),
        gt_inds=torch.tensor(gt_inds, dtype=torch.long),
    )


def ground_truth(masks):
    count = len(masks)
    return GroundTruth(
        torch.zeros(count, 4), torch.zeros(count, dtype=torch.long), torch.zeros(count, 2), masks
    )


def test_mask_loss_by_hand():
    """Scores 1, 1, 0, 0 with targets 1, 0, 0, 0: dice loss 1 - 2 * 1 / (2 + 1) = 1/3.

    The second instance is of the second picture's object 1 and perfect: loss 0.
    """
    logits = torch.tensor([[[50.0, 50], [-50, -50]], [[-50.0, 50], [-50, 50]]])
    gts = [
        ground_truth(torch.tensor([[[1, 0], [0, 0]]]).bool()),
        ground_truth(torch.tensor([[[1, 1], [1, 1]], [[0, 1], [0, 1]]]).bool()),
    ]
    loss = mask_loss(logits, instances([0, 1], [0, 1]), gts, DiceLoss(eps=1e-9))
    assert loss.item() == pytest.approx((1 / 3 + 0) / 2, abs=1e-6)


def test_mask_loss_without_instances_is_zero_and_attached():
    logits = torch.zeros(0, 2, 2, requires_grad=True)
    loss = mask_loss(
        logits, instances([], []), [ground_truth(torch.zeros(0, 2, 2).bool())], DiceLoss()
    )
    assert loss.item() == 0
    loss.backward()
    assert logits.grad is not None


def test_objects_without_masks_are_refused():
    gt = GroundTruth(torch.zeros(1, 4), torch.zeros(1).long(), torch.zeros(1, 2), None)
    with pytest.raises(ValueError, match="LoadAnnotations"):
        mask_loss(torch.zeros(1, 2, 2), instances([0], [0]), [gt], DiceLoss())
