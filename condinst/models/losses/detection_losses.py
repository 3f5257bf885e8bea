"""Losses of the dense predictions (paper, Equations 1 and 2).

Shapes: B images, P points of all levels, X channels, N positive points.
"""

from __future__ import annotations

import torch
from mmdet.models.losses import QualityFocalLoss
from mmdet.structures.bbox import bbox_overlaps
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from condinst.models.structures import Assignment, DensePredictions
from condinst.models.task_modules.points import flatten_levels, gather_points


def centerness_targets(bbox_targets: Tensor) -> Tensor:
    """Compute the centerness of points in their boxes (FCOS, Equation 3).

    Args:
        bbox_targets: (N, 4) distances left, top, right, bottom, all positive.

    Returns:
        (N,) in [0, 1].
    """
    x_sides, y_sides = bbox_targets[:, 0::2], bbox_targets[:, 1::2]  # (N, 2) each
    ratio = (x_sides.amin(1) / x_sides.amax(1)) * (y_sides.amin(1) / y_sides.amax(1))
    return ratio.sqrt()


def mean_count(count: int | Tensor, like: Tensor) -> Tensor:
    """Average ``count`` over all processes, 1 at least: a scalar on the device of ``like``."""
    # float32 whatever type the predictions have: float16 counts no further than 2048
    total = torch.as_tensor(count, dtype=torch.float32).to(like.device)
    return reduce_mean(total).clamp(min=1.0)


def smoothed_ious(predictions: Tensor, targets: Tensor) -> Tensor:
    """Compute (intersection + 1) / (union + 1) of pairs of boxes around the same point.

    The original implementation adds the 1, in units of the stride squared.

    Args:
        predictions: (N, 4) distances left, top, right, bottom, in strides.
        targets: (N, 4), likewise.

    Returns:
        (N,) in (0, 1].
    """
    inner = torch.minimum(predictions, targets)  # (N, 4) of the intersection: the point is in both
    intersections, *areas = (
        (box[:, 0] + box[:, 2]) * (box[:, 1] + box[:, 3]) for box in (inner, predictions, targets)
    )
    return (intersections + 1) / (sum(areas) - intersections + 1)


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
    box_quality: str = "centerness",
) -> dict[str, Tensor]:
    """Compute the class, box and box quality losses, averaged over the positive points.

    The average is over the positive points of all processes. Without a positive point the box and
    quality losses are zero and still attached to the graph, because distributed training waits for
    the gradient of every parameter.

    Args:
        dense: the head's predictions.
        assignment: their targets.
        points: (P, 2) xy, input-image pixels.
        target_scales: (P,) pixels per unit of the box predictions.
        loss_cls: class loss over logits (B * P, C) and labels. A quality focal loss learns the IoU
            of the predicted box as the score of its class (GFL, Li et al., 2020, Equation 2).
        loss_bbox: IoU loss over xyxy boxes.
        loss_centerness: binary cross entropy over logits.
        bbox_coder: decodes points and distances to boxes.
        box_quality: target of the centerness branch: "centerness", which also weights the box
            loss; or "iou", the overlap of the predicted box, which does not.

    Returns:
        ``loss_cls``, ``loss_bbox``, and ``loss_centerness`` or ``loss_quality``.
    """
    cls_scores = flatten_levels(dense.cls_scores)  # (B, P, C)
    img_inds, point_inds = assignment.img_inds, assignment.point_inds
    num_pos = mean_count(len(img_inds), cls_scores)
    distances = gather_points(dense.bbox_preds, img_inds, point_inds)  # (N, 4)
    targets = assignment.bbox_targets / target_scales[point_inds, None]  # (N, 4)
    # decoded in units of the predictions, like the published implementations: the loss is nearly,
    # but not quite, invariant to scale
    pos_points = points[point_inds]  # (N, 2)
    bboxes = bbox_coder.decode(pos_points, distances)  # (N, 4)
    true_bboxes = bbox_coder.decode(pos_points, targets)  # (N, 4)
    labels: Tensor | tuple[Tensor, Tensor] = assignment.labels.flatten()  # (B * P,)
    if isinstance(loss_cls, QualityFocalLoss):
        # float32: the loss writes float32 qualities into a tensor of the logits' type
        cls_scores = cls_scores.float()
        ious = cls_scores.new_zeros(assignment.labels.shape)  # (B, P)
        ious[img_inds, point_inds] = bbox_overlaps(bboxes.detach(), true_bboxes, is_aligned=True)
        labels = assignment.labels.flatten(), ious.flatten()
    losses = {"loss_cls": loss_cls(cls_scores.flatten(0, 1), labels, avg_factor=num_pos)}

    if box_quality == "iou":
        name, quality = "loss_quality", smoothed_ious(distances.detach(), targets)
        weight, normalizer = torch.ones_like(quality), num_pos
    else:
        name, quality = "loss_centerness", centerness_targets(assignment.bbox_targets)
        # no positive point in any process makes the sum 0
        weight, normalizer = quality, reduce_mean(quality.sum()).clamp(min=1e-6)
    losses["loss_bbox"] = loss_bbox(bboxes, true_bboxes, weight=weight, avg_factor=normalizer)
    losses[name] = loss_centerness(
        gather_points(dense.centernesses, img_inds, point_inds).squeeze(1),
        quality,
        avg_factor=num_pos,
    )
    return losses
