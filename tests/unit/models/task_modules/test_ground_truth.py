"""Ground truth of one image, whoever sampled its masks."""

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from condinst.models.task_modules.ground_truth import prepare_ground_truth
from condinst.targets.mask_samples import sample_masks


def objects(masks, boxes=((0, 0, 8, 8),)):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.arange(len(boxes)),
        masks=masks,
    )


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("stride", "rows"), [(4, [2, 6]), (2, [1, 3, 5, 7])])
def test_mask_targets_are_the_pixels_in_the_middle_of_the_cells(stride, rows, early):
    mask = np.random.default_rng(0).integers(0, 2, (1, 8, 8)).astype(np.uint8)
    masks = BitmapMasks(mask, 8, 8)
    size = 12 // stride  # the batch is padded to 12 pixels
    gt = prepare_ground_truth(
        objects(sample_masks(masks, stride) if early else masks),
        mask_size=(size, size),
        mask_stride=stride,
    )
    assert gt.mask_targets.shape == (1, size, size)
    assert gt.mask_targets.dtype == torch.bool
    expected = mask[0][rows][:, rows]
    assert gt.mask_targets[0, : len(rows), : len(rows)].int().tolist() == expected.tolist()
    assert not gt.mask_targets[0, len(rows) :].any()
    assert not gt.mask_targets[0, :, len(rows) :].any()
    ys, xs = np.nonzero(mask[0])
    torch.testing.assert_close(gt.centers, torch.tensor([[xs.mean(), ys.mean()]]).float())


@pytest.mark.parametrize("early", [True, False])
def test_an_image_without_objects(early):
    masks = PolygonMasks([], 8, 8)
    gt = prepare_ground_truth(
        objects(sample_masks(masks, 4) if early else masks, boxes=()),
        mask_size=(3, 3),
        mask_stride=4,
    )
    assert gt.mask_targets.shape == (0, 3, 3)
    assert gt.centers.shape == (0, 2)


def test_without_masks_the_center_is_that_of_the_box():
    instances = InstanceData(bboxes=torch.tensor([[2.0, 4, 10, 20]]), labels=torch.tensor([1]))
    gt = prepare_ground_truth(instances, mask_size=(8, 8), mask_stride=4)
    assert gt.mask_targets is None
    assert gt.centers.tolist() == [[6, 12]]


def test_another_stride_than_the_mask_head_s_is_refused_by_key():
    masks = sample_masks(BitmapMasks(np.ones((1, 8, 8), np.uint8), 8, 8), 4)
    with pytest.raises(
        ValueError, match=r"PrepareMaskTargets has stride=4, model\.mask_head\.mask_out_stride is 2"
    ):
        prepare_ground_truth(objects(masks), mask_size=(4, 4), mask_stride=2)
