"""Annotated instances -> the ground truth that assignment and losses read."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.structures import GroundTruth


def prepare_ground_truth(
    gt_instances: InstanceData, *, mask_size: tuple[int, int], mask_stride: int
) -> GroundTruth:
    """Rasterise the masks of one picture once, and keep only what training reads.

    Args:
        gt_instances: ``bboxes`` (M, 4) and ``labels`` (M,), and ``masks`` (polygons or bitmaps at
            the input image's size) where the data set has them.
        mask_size: height and width of the mask head's logits.
        mask_stride: pixels per cell of these logits. The targets are the mask's pixels at
            ``mask_stride // 2 + i * mask_stride``, as in the published implementations.

    Returns:
        The picture's ground truth on the device of the boxes.
    """
    bboxes = get_box_tensor(gt_instances.bboxes)
    if "masks" not in gt_instances:
        centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        return GroundTruth(bboxes, gt_instances.labels, centers, None)
    bitmaps = torch.from_numpy(np.ascontiguousarray(gt_instances.masks.to_ndarray()))
    start = mask_stride // 2
    sampled = bitmaps[:, start::mask_stride, start::mask_stride].bool()
    padding = (0, mask_size[1] - sampled.shape[2], 0, mask_size[0] - sampled.shape[1])
    return GroundTruth(
        bboxes,
        gt_instances.labels,
        mask_centroids(bitmaps).to(bboxes),
        F.pad(sampled, padding).to(bboxes.device),
    )


def mask_centroids(bitmaps: Tensor) -> Tensor:
    """Mean pixel coordinates of each mask; (0, 0) for an empty one.

    Args:
        bitmaps: (M, H, W), 0 or 1.

    Returns:
        (M, 2) xy, float64. Sums are whole numbers, so they are exact at any size.
    """
    bitmaps = bitmaps.bool()
    per_column, per_row = bitmaps.sum(dim=1), bitmaps.sum(dim=2)
    area = per_row.sum(dim=1).clamp(min=1)
    x_sum = (per_column * torch.arange(per_column.shape[1])).sum(dim=1)
    y_sum = (per_row * torch.arange(per_row.shape[1])).sum(dim=1)
    return torch.stack([x_sum, y_sum], dim=1).double() / area.unsqueeze(1)
