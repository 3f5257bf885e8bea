"""Dynamic soft label assignment (RTMDet, Section 3.3).

Every object gets its cheapest points. The cost of a point is low where its box overlaps the
object's, its class score equals that overlap, and it lies near the object's center. How many points
an object gets is the sum of its best overlaps.

Shapes: B images, P points of all levels, V points inside an object, M objects of an image, C
classes, N positive points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from condinst.models.structures import GroundTruth, SoftAssignment
from condinst.models.task_modules.assigner import box_distances
from condinst.registry import TASK_UTILS

__all__ = ["SoftLabelAssigner"]

_EPS = 1e-7  # lets the cost of a box without overlap be finite


class SoftLabelAssigner:
    """Assign objects to points by cost, in memory of P x M instead of P x M x C.

    mmdet's ``DynamicSoftLabelAssigner`` makes the same choices.

    Args:
        soft_center_radius: distance from the center, in strides, at which the cost of the distance
            is 1; it grows tenfold with each further stride.
        topk: number of best overlaps that are added up.
        iou_weight: weight of the cost of the overlap.
        iou_calculator: config of the overlap.
    """

    def __init__(
        self,
        soft_center_radius: float = 3.0,
        topk: int = 13,
        iou_weight: float = 3.0,
        iou_calculator: dict | None = None,
    ) -> None:
        self.soft_center_radius = soft_center_radius
        self.topk = topk
        self.iou_weight = iou_weight
        self.iou_calculator = TASK_UTILS.build(iou_calculator or dict(type="BboxOverlaps2D"))

    @torch.no_grad()
    def __call__(
        self,
        cls_scores: Tensor,
        bboxes: Tensor,
        points: Tensor,
        strides: Tensor,
        in_images: Tensor,
        ground_truths: Sequence[GroundTruth],
    ) -> SoftAssignment:
        """Assign a batch.

        Args:
            cls_scores: (B, P, C) class logits.
            bboxes: (B, P, 4) predicted boxes, xyxy, input-image pixels.
            points: (P, 2) xy.
            strides: (P,) stride of each point's level.
            in_images: (B, P) bool, whether a point lies in the image and not in the padding of the
                batch; the others get no object and no weight.
            ground_truths: one per image.
        """
        background = cls_scores.shape[2]
        labels = torch.full(in_images.shape, background, device=points.device)
        found = []
        for i, gt in enumerate(ground_truths):
            inside = in_images[i] & _in_any_box(points, gt.bboxes)  # (P,)
            point_inds = inside.nonzero().squeeze(1)  # (V,)
            rows, gt_inds, ious = self._match(
                cls_scores[i, point_inds].float(),
                bboxes[i, point_inds].float(),
                points[point_inds],
                strides[point_inds],
                gt,
            )
            point_inds = point_inds[rows]
            labels[i, point_inds] = gt.labels[gt_inds]
            found.append(
                (torch.full_like(gt_inds, i), point_inds, gt_inds, gt.bboxes[gt_inds], ious)
            )
        img_inds, point_inds, gt_inds, targets, ious = (
            torch.cat(x) for x in zip(*found, strict=True)
        )
        return SoftAssignment(
            labels=labels,
            weights=in_images.float(),
            img_inds=img_inds,
            point_inds=point_inds,
            gt_inds=gt_inds,
            bbox_targets=targets,
            qualities=ious,
            counts=[len(x[0]) for x in found],
        )

    def _match(
        self, logits: Tensor, boxes: Tensor, points: Tensor, strides: Tensor, gt: GroundTruth
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Match V points with M objects: rows (N,), object indices (N,), IoUs (N,)."""
        if len(points) == 0:
            none = gt.labels.new_zeros(0)
            return none, none, boxes.new_zeros(0)
        ious = self.iou_calculator(boxes, gt.bboxes)  # (V, M)
        cost = self._cost(logits, ious, points, strides, gt)  # (V, M)
        best = ious.topk(min(self.topk, len(ious)), dim=0).values  # (k, M)
        counts = best.sum(0).int().clamp(min=1)  # (M,)
        # no object gets more points than it has best overlaps, each of which is at most 1
        cheapest = cost.topk(len(best), dim=0, largest=False).indices  # (k, M)
        chosen = torch.arange(len(best), device=cost.device)[:, None] < counts  # (k, M)
        matches = torch.zeros_like(cost, dtype=torch.bool).scatter_(0, cheapest, chosen)
        per_point = matches.sum(1)  # (V,)
        # a point that several objects want gets the cheapest of all objects
        gt_inds = torch.where(per_point > 1, cost.argmin(1), matches.int().argmax(1))
        rows = per_point.nonzero().squeeze(1)
        gt_inds = gt_inds[rows]
        return rows, gt_inds, ious[rows, gt_inds]

    def _cost(
        self, logits: Tensor, ious: Tensor, points: Tensor, strides: Tensor, gt: GroundTruth
    ) -> Tensor:
        """Return the (V, M) cost of each point for each object."""
        distances = (points[:, None] - gt.centers).square().sum(-1).sqrt() / strides[:, None]
        center_cost = torch.pow(10, distances - self.soft_center_radius)
        iou_cost = -torch.log(ious + _EPS) * self.iou_weight
        # Quality focal loss of each point, were the object its target. All classes but the
        # object's have the target 0, which does not depend on the object: their sum is taken once.
        other = F.softplus(logits) * logits.sigmoid().square()  # (V, C)
        # float64: the small difference of large numbers decides between points
        others = other.double().sum(1, keepdim=True) - other.double()[:, gt.labels]  # (V, M)
        own = logits[:, gt.labels]  # (V, M)
        own_cost = F.binary_cross_entropy_with_logits(own, ious, reduction="none")
        own_cost = own_cost * (ious - own.sigmoid()).square()
        return own_cost + others.float() + iou_cost + center_cost


def _in_any_box(points: Tensor, boxes: Tensor) -> Tensor:
    """Tell which points lie strictly inside a box: (P,) bool."""
    left, top, right, bottom = box_distances(points, boxes)  # (P, M) each
    return ((left > 0) & (top > 0) & (right > 0) & (bottom > 0)).any(dim=1)
