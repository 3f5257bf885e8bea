"""Dense predictions + targets -> losses (paper, Equations 1 and 2).

Shapes: B images, P points of all levels, X channels, N positive points.
"""

from __future__ import annotations

import torch
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from condinst.structures import Assignment, DensePredictions

from .points import flatten_levels, gather_points


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
    img_inds, point_inds = assignment.img_inds, assignment.point_inds
    num_pos = mean_count(len(img_inds), cls_scores)
    losses = {
        "loss_cls": loss_cls(
            cls_scores.flatten(0, 1), assignment.labels.flatten(), avg_factor=num_pos
        )
    }

    scales = target_scales[point_inds, None]
    pos_centerness_targets = centerness_targets(assignment.bbox_targets)
    centerness_sum = reduce_mean(pos_centerness_targets.sum()).clamp(min=1e-6)
    # decoded in units of the predictions, like the published implementations: the loss is nearly,
    # but not quite, invariant to scale
    pos_points = points[point_inds]
    losses["loss_bbox"] = loss_bbox(
        bbox_coder.decode(pos_points, gather_points(dense.bbox_preds, img_inds, point_inds)),
        bbox_coder.decode(pos_points, assignment.bbox_targets / scales),
        weight=pos_centerness_targets,
        avg_factor=centerness_sum,
    )
    losses["loss_centerness"] = loss_centerness(
        gather_points(dense.centernesses, img_inds, point_inds).squeeze(1),
        pos_centerness_targets,
        avg_factor=num_pos,
    )
    return losses
