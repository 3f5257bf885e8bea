"""Predictions + targets -> losses (paper, Equations 1 to 3).

Shapes: B images, P points of all levels, C classes, N instances.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from condinst.structures import Assignment, DensePredictions, GroundTruth, Instances


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """(B, X, H_l, W_l) of every level -> (B, P, X)."""
    return torch.cat([level.flatten(2) for level in maps], dim=2).transpose(1, 2)


def centerness_targets(bbox_targets: Tensor) -> Tensor:
    """FCOS, Equation 3.

    Args:
        bbox_targets: (N, 4) distances left, top, right, bottom, all positive.

    Returns:
        (N,) in [0, 1].
    """
    x_sides, y_sides = bbox_targets[:, 0::2], bbox_targets[:, 1::2]
    ratio = (x_sides.amin(1) / x_sides.amax(1)) * (y_sides.amin(1) / y_sides.amax(1))
    return ratio.sqrt()


def mean_count(count: int, like: Tensor) -> Tensor:
    """Mean of ``count`` over all processes, one at least, as a scalar on the device of ``like``."""
    # float32 whatever the predictions: float16 counts no further than 2048
    return reduce_mean(torch.tensor(float(count), device=like.device)).clamp(min=1.0)


def box_losses(
    dense: DensePredictions,
    assignment: Assignment,
    points: Tensor,
    target_scales: Tensor,
    *,
    loss_cls: nn.Module,
    loss_bbox: nn.Module,
    loss_centerness: nn.Module,
    bbox_coder,
) -> dict[str, Tensor]:
    """Focal, IoU and centerness losses, averaged over the positive points of all processes.

    Without a positive point the box and centerness losses are zero, and still attached to the
    graph: distributed training waits for the gradient of every parameter.

    Args:
        dense: the head's predictions.
        assignment: their targets.
        points: (P, 2) xy, input-image pixels.
        target_scales: (P,) pixels per unit of the box predictions.
        loss_cls: class loss over logits (B * P, C) and labels.
        loss_bbox: IoU loss over xyxy boxes.
        loss_centerness: binary cross entropy over logits.
        bbox_coder: decodes points and distances to boxes.

    Returns:
        ``loss_cls``, ``loss_bbox``, ``loss_centerness``.
    """
    cls_scores = flatten_levels(dense.cls_scores)
    img_inds, point_inds = (assignment.gt_inds >= 0).nonzero(as_tuple=True)
    num_pos = mean_count(len(img_inds), cls_scores)
    losses = {
        "loss_cls": loss_cls(
            cls_scores.flatten(0, 1), assignment.labels.flatten(), avg_factor=num_pos
        )
    }

    scales = target_scales[point_inds, None]
    pos_targets = assignment.bbox_targets[img_inds, point_inds]
    pos_centerness_targets = centerness_targets(pos_targets)
    centerness_sum = reduce_mean(pos_centerness_targets.sum()).clamp(min=1e-6)
    # decoded in units of the predictions, like the published implementations: the loss is nearly,
    # but not quite, invariant to scale
    pos_points = points[point_inds]
    losses["loss_bbox"] = loss_bbox(
        bbox_coder.decode(pos_points, flatten_levels(dense.bbox_preds)[img_inds, point_inds]),
        bbox_coder.decode(pos_points, pos_targets / scales),
        weight=pos_centerness_targets,
        avg_factor=centerness_sum,
    )
    losses["loss_centerness"] = loss_centerness(
        flatten_levels(dense.centernesses)[img_inds, point_inds, 0],
        pos_centerness_targets,
        avg_factor=num_pos,
    )
    return losses


def mask_loss(
    mask_logits: Tensor,
    instances: Instances,
    ground_truths: Sequence[GroundTruth],
    loss_mask: nn.Module,
) -> Tensor:
    """Mean mask loss over the instances of all processes (paper, Equation 3).

    Args:
        mask_logits: (N, H, W).
        instances: the N instances, with their objects' indices.
        ground_truths: one per image.
        loss_mask: loss of logits and targets per instance.

    Returns:
        Scalar; zero and attached to the graph where there is no instance.
    """
    masks: list[Tensor] = []
    for i, gt in enumerate(ground_truths):
        if gt.masks is None:
            raise ValueError(
                f"picture {i} of the batch has objects without masks, but training the mask head "
                "needs them: check LoadAnnotations(with_mask=True) and the annotation file's "
                "'segmentation' entries"
            )
        masks.append(gt.masks)
    offsets = [0]
    for image_masks in masks[:-1]:
        offsets.append(offsets[-1] + len(image_masks))
    assert instances.gt_inds is not None
    gt_inds = instances.gt_inds + torch.tensor(offsets).to(instances.img_inds)[instances.img_inds]
    targets = torch.cat(masks)[gt_inds].to(mask_logits.dtype)
    num_masks = mean_count(len(instances), mask_logits)
    return loss_mask(mask_logits, targets, reduction_override="none").sum() / num_masks
