"""Losses by hand."""

import math

import pytest
import torch
from mmdet.models.losses import CrossEntropyLoss, FocalLoss, GIoULoss, QualityFocalLoss
from mmdet.models.task_modules.coders import DistancePointBBoxCoder

from condinst.models.losses.detection_losses import box_losses, centerness_targets, smoothed_ious
from condinst.models.structures import Assignment, DensePredictions


def test_centerness_by_hand():
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) with l, t, r, b = 1, 2, 4, 8."""
    found = centerness_targets(torch.tensor([[1.0, 2, 4, 8], [5.0, 5, 5, 5]]))
    assert found.tolist() == pytest.approx([math.sqrt(1 / 4 * 2 / 8), 1.0])
    assert centerness_targets(torch.zeros(0, 4)).shape == (0,)


def test_overlap_by_hand():
    """Distances in strides; 1 is added to intersection and union.

    (2, 2, 2, 2) and (1, 2, 4, 2): 3 x 4 of 4 x 4 and 5 x 4, so (12 + 1) / (16 + 20 - 12 + 1).
    Equal boxes overlap by 1, and so does nothing with nothing: (0 + 1) / (0 + 1).
    """
    predictions = torch.tensor([[2.0, 2, 2, 2], [1.0, 2, 3, 4], [0.0, 0, 0, 0]])
    targets = torch.tensor([[1.0, 2, 4, 2], [1.0, 2, 3, 4], [0.0, 0, 0, 0]])
    assert smoothed_ious(predictions, targets).tolist() == pytest.approx([13 / 25, 1.0, 1.0])


def one_point(distances):
    """A map of one point at (4, 4) of stride 8, positive for one object."""
    dense = DensePredictions(
        cls_scores=[torch.zeros(1, 2, 1, 1)],
        bbox_preds=[torch.tensor(distances).view(1, 4, 1, 1).requires_grad_()],
        centernesses=[torch.zeros(1, 1, 1, 1)],
        param_feats=[torch.zeros(1, 1, 1, 1)],
    )
    assignment = Assignment(
        labels=torch.tensor([[0]]),
        img_inds=torch.tensor([0]),
        point_inds=torch.tensor([0]),
        gt_inds=torch.tensor([0]),
        bbox_targets=torch.tensor([[8.0, 16, 32, 16]]),
        counts=[1],
    )
    return dense, assignment


def losses_of(dense, assignment, box_quality, loss_cls=None):
    return box_losses(
        dense,
        assignment,
        torch.tensor([[4.0, 4]]),
        torch.tensor([8.0]),
        loss_cls=loss_cls or FocalLoss(use_sigmoid=True),
        loss_bbox=GIoULoss(),
        loss_centerness=CrossEntropyLoss(use_sigmoid=True),
        bbox_coder=DistancePointBBoxCoder(),
        box_quality=box_quality,
    )


def test_quality_by_overlap_by_hand():
    """The boxes of the test above: a logit of 0 costs log 2 whatever the target is.

    Its gradient is 1/2 - 13/25. The box loss is 1 - GIoU, unweighted: the union is 24 and the
    smallest box around both is 6 x 4, so GIoU = IoU = 12 / 24.
    """
    dense, assignment = one_point([2.0, 2.0, 2.0, 2.0])
    dense.centernesses[0].requires_grad_()
    losses = losses_of(dense, assignment, "iou")
    assert losses.keys() == {"loss_cls", "loss_bbox", "loss_quality"}
    assert losses["loss_quality"].item() == pytest.approx(math.log(2))
    assert losses["loss_bbox"].item() == pytest.approx(1 - 12 / 24, abs=1e-5)
    losses["loss_quality"].backward()
    assert dense.centernesses[0].grad.item() == pytest.approx(1 / 2 - 13 / 25, abs=1e-6)
    assert dense.bbox_preds[0].grad is None or not dense.bbox_preds[0].grad.any()


def test_without_a_positive_point_all_losses_are_attached():
    dense, assignment = one_point([2.0, 2.0, 2.0, 2.0])
    dense.centernesses[0].requires_grad_()
    none = torch.zeros(0, dtype=torch.long)
    assignment = Assignment(torch.tensor([[2]]), none, none, none, torch.zeros(0, 4), [0])
    losses = losses_of(dense, assignment, "iou")
    (losses["loss_bbox"] + losses["loss_quality"]).backward()
    assert losses["loss_bbox"] == 0
    assert losses["loss_quality"] == 0
    assert not dense.bbox_preds[0].grad.any()
    assert not dense.centernesses[0].grad.any()


def test_quality_focal_loss_by_hand():
    """The box of distances 8, 16, 16, 16 has 24 x 32 of the object's 40 x 32 pixels: an IoU of 0.6.

    The score of its class is 0.8, of the other 0.5. Equation 2 of GFL with beta 2: the first adds
    0.2^2 times the cross entropy of 0.6 and 0.8, the other 0.5^2 times ln 2.
    """
    dense, assignment = one_point([1.0, 2, 2, 2])  # strides of 8
    logits = torch.tensor([math.log(4), 0.0]).view(1, 2, 1, 1)
    expected = -(0.2**2) * (0.6 * math.log(0.8) + 0.4 * math.log(0.2)) + 0.5**2 * math.log(2)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.01)):
        dense.cls_scores[0] = logits.clone().to(dtype).requires_grad_()
        loss = losses_of(dense, assignment, "centerness", QualityFocalLoss())["loss_cls"]
        assert loss.item() == pytest.approx(expected, rel=tolerance)
        loss.backward()
        assert dense.cls_scores[0].grad.abs().min() > 0
    assert dense.bbox_preds[0].grad is None  # the overlap is a target
