"""The auxiliary semantic task by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torchvision.ops import sigmoid_focal_loss

from condinst.models.heads.semantic_head import SemanticHead
from condinst.models.task_modules.ground_truth import prepare_ground_truth
from condinst.targets.mask_samples import sample_masks


def bitmaps():
    """16 x 24 pixels: a large mask of class 3 under a small one of class 1, and none of class 2."""
    masks = np.zeros((3, 16, 24), np.uint8)
    masks[0, :, :16] = 1
    masks[1, 2:6, 2:14] = 1
    return BitmapMasks(masks, 16, 24)


def objects(masks):
    return InstanceData(
        bboxes=torch.zeros(len(masks), 4), labels=torch.tensor([3, 1, 2])[: len(masks)], masks=masks
    )


@pytest.mark.parametrize("early", [True, False])
def test_a_cell_has_the_class_of_the_smallest_mask_at_its_middle(early):
    """Cells of 8 pixels are read at 4, 12 and 20; the batch is padded by one cell each way."""
    masks = bitmaps()
    gt = prepare_ground_truth(
        objects(sample_masks(masks, 4, semantic_stride=8) if early else masks),
        mask_size=(6, 8),
        mask_stride=4,
        semantic_size=(3, 4),
        semantic_stride=8,
    )
    assert gt.semantic.tolist() == [[1, 1, -1, -1], [3, 3, -1, -1], [-1, -1, -1, -1]]
    assert gt.mask_targets.shape == (3, 6, 8)


def test_an_image_without_objects_is_background():
    masks = BitmapMasks(np.zeros((0, 16, 24), np.uint8), 16, 24)
    gt = prepare_ground_truth(
        objects(masks),
        mask_size=(4, 6),
        mask_stride=4,
        semantic_size=(2, 3),
        semantic_stride=8,
    )
    assert gt.semantic.tolist() == [[-1, -1, -1], [-1, -1, -1]]


def test_masks_without_coarse_samples_are_refused():
    with pytest.raises(
        ValueError,
        match="PrepareMaskTargets has semantic_stride=None, model.semantic_head.stride is 8",
    ):
        prepare_ground_truth(
            objects(sample_masks(bitmaps(), 4)),
            mask_size=(4, 6),
            mask_stride=4,
            semantic_size=(2, 3),
            semantic_stride=8,
        )


def test_loss_is_torchvision_s_focal_loss_per_labeled_cell():
    head = SemanticHead(num_classes=4, in_channels=3, feat_channels=2)
    logits = torch.randn(2, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    targets = [torch.tensor([[1, 0, -1], [3, 3, -1]]), torch.full((2, 3), -1)]
    one_hot = F.one_hot(torch.stack(targets) + 1, 5)[..., 1:].permute(0, 3, 1, 2).float()
    expected = sigmoid_focal_loss(logits, one_hot, alpha=0.25, gamma=2.0, reduction="sum") / 4
    loss = head.loss(logits, targets)
    assert loss.keys() == {"loss_semantic"}
    torch.testing.assert_close(loss["loss_semantic"], expected)


def test_without_a_labeled_cell_the_sum_is_divided_by_one():
    head = SemanticHead(num_classes=4, in_channels=3, feat_channels=2)
    logits = torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    zeros = torch.zeros_like(logits)
    expected = sigmoid_focal_loss(logits, zeros, alpha=0.25, gamma=2.0, reduction="sum")
    loss = head.loss(logits, [torch.full((2, 3), -1)])["loss_semantic"]
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert logits.grad.abs().sum() > 0


def test_scores_start_at_one_percent():
    head = SemanticHead(num_classes=4, in_channels=3, feat_channels=2, level=1)
    head.init_weights()
    assert torch.sigmoid(head.conv_logits.bias).tolist() == pytest.approx([0.01] * 4)
    feats = [torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 4, 6)]
    assert head(feats).shape == (1, 4, 4, 6)
