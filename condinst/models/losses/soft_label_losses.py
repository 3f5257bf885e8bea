"""Losses of dense predictions whose class score is the quality of the box (RTMDet).

Shapes: B images, P points of all levels, C classes, N positive points.
"""

from __future__ import annotations

from mmdet.structures.bbox import distance2bbox
from torch import Tensor, nn

from condinst.models.losses.detection_losses import mean_count
from condinst.models.structures import DensePredictions, SoftAssignment
from condinst.models.task_modules.points import flatten_levels, gather_points

__all__ = ["soft_label_losses"]


def soft_label_losses(
    dense: DensePredictions,
    assignment: SoftAssignment,
    points: Tensor,
    *,
    loss_cls: nn.Module,
    loss_bbox: nn.Module,
) -> dict[str, Tensor]:
    """Compute the class and box losses, averaged over the sum of the qualities.

    The sum is over the positive points of all processes, and at least 1. Without a positive point
    the box loss is zero and still attached to the graph.

    Args:
        dense: the head's predictions, distances in pixels.
        assignment: their targets.
        points: (P, 2) xy, input-image pixels.
        loss_cls: loss over logits (B * P, C), pairs of labels and qualities, and weights.
        loss_bbox: IoU loss over xyxy boxes.

    Returns:
        ``loss_cls``, ``loss_bbox``.
    """
    cls_scores = flatten_levels(dense.cls_scores).float()  # (B, P, C)
    img_inds, point_inds = assignment.img_inds, assignment.point_inds
    total = mean_count(assignment.qualities.sum(), cls_scores)
    qualities = cls_scores.new_zeros(assignment.labels.shape)  # (B, P)
    qualities[img_inds, point_inds] = assignment.qualities
    targets = assignment.labels.flatten(), qualities.flatten()
    distances = gather_points(dense.bbox_preds, img_inds, point_inds)  # (N, 4)
    return {
        "loss_cls": loss_cls(
            cls_scores.flatten(0, 1), targets, assignment.weights.flatten(), avg_factor=total
        ),
        "loss_bbox": loss_bbox(
            distance2bbox(points[point_inds], distances),
            assignment.bbox_targets,
            weight=assignment.qualities,
            avg_factor=total,
        ),
    }
