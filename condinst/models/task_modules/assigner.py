"""Assignment of objects to points (FCOS, Section 3.1, with CondInst's center sampling).

A point is positive for an object if it lies inside the object's center region and the largest of
its four distances to the sides of the object's box is in the range of its level. Of several such
objects, the one with the smallest box is assigned.

Shapes: B images, P points of all levels, M objects of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from condinst.models.structures import Assignment, GroundTruth


@dataclass(frozen=True)
class PointAssigner:
    """Assign at most one object to each point.

    Attributes:
        num_classes: C; also the label of the background.
        regress_ranges: per level, smallest and largest distance that it regresses, pixels.
        center_radius: half the side of the center region in strides of the point's level; None if
            every point inside the box can be positive.
    """

    num_classes: int
    regress_ranges: Sequence[tuple[float, float]]
    center_radius: float | None = 1.5

    def __call__(
        self, points: Sequence[Tensor], strides: Sequence[int], ground_truths: Sequence[GroundTruth]
    ) -> Assignment:
        """Assign the objects of a batch.

        Args:
            points: per level, (P_l, 2) xy in input-image pixels.
            strides: stride of each level, pixels.
            ground_truths: one per image.

        Returns:
            The targets of every point of every image, level by level.
        """
        sizes = torch.tensor([len(p) for p in points], device=points[0].device)

        def per_point(values: Sequence[float]) -> Tensor:
            """Repeat one value per level to (P,)."""
            return (
                torch.as_tensor(values, dtype=points[0].dtype)
                .to(sizes.device)
                .repeat_interleave(sizes, output_size=sum(len(p) for p in points))
            )

        lower, upper = (per_point(bounds) for bounds in zip(*self.regress_ranges, strict=True))
        radii = None
        if self.center_radius is not None:
            radii = per_point([stride * self.center_radius for stride in strides])
        all_points = torch.cat(list(points))  # (P, 2)
        per_image = [
            self._assign_image(all_points, lower, upper, radii, gt) for gt in ground_truths
        ]
        # (B, P), (B, P, 4), (B, P)
        labels, bbox_targets, gt_inds = (torch.stack(x) for x in zip(*per_image, strict=True))
        # the first wait for the GPU in a training step: later shapes depend on the positives
        img_inds, point_inds = (gt_inds >= 0).nonzero(as_tuple=True)
        return Assignment(
            labels=labels,
            img_inds=img_inds,
            point_inds=point_inds,
            gt_inds=gt_inds[img_inds, point_inds],
            bbox_targets=bbox_targets[img_inds, point_inds],
            counts=torch.bincount(img_inds, minlength=len(ground_truths)).tolist(),
        )

    def _assign_image(
        self,
        points: Tensor,
        lower: Tensor,
        upper: Tensor,
        radii: Tensor | None,
        gt: GroundTruth,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Assign one image: labels (P,), box targets (P, 4), object indices (P,), -1 for none."""
        if len(gt.bboxes) == 0:
            background = gt.labels.new_full((len(points),), self.num_classes)
            return background, points.new_zeros(len(points), 4), torch.full_like(background, -1)

        distances = box_distances(points, gt.bboxes)  # 4 x (P, M)
        region = distances
        if radii is not None:
            region = box_distances(points, self._center_regions(radii, gt))
        inside = _minimum(region) > 0  # (P, M)
        farthest = torch.maximum(
            torch.maximum(distances[0], distances[1]), torch.maximum(distances[2], distances[3])
        )
        valid = inside & (farthest >= lower[:, None]) & (farthest <= upper[:, None])

        widths_heights = gt.bboxes[:, 2:] - gt.bboxes[:, :2]
        areas = widths_heights.prod(dim=1).expand(len(points), -1)  # (P, M)
        smallest, gt_inds = areas.masked_fill(~valid, torch.inf).min(dim=1)
        positive = smallest.isfinite()
        labels = torch.where(positive, gt.labels[gt_inds], self.num_classes)
        bbox_targets = torch.stack(
            [d.gather(1, gt_inds[:, None]).squeeze(1) for d in distances], dim=1
        )
        return labels, bbox_targets, torch.where(positive, gt_inds, -1)

    @staticmethod
    def _center_regions(radii: Tensor, gt: GroundTruth) -> Tensor:
        """Return (P, M, 4) xyxy squares around the centers, clipped to the boxes."""
        radii = radii[:, None, None]  # (P, 1, 1)
        low = torch.maximum(gt.centers - radii, gt.bboxes[:, :2])  # (P, M, 2)
        high = torch.minimum(gt.centers + radii, gt.bboxes[:, 2:])
        return torch.cat([low, high], dim=2)


def box_distances(points: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the distances left, top, right, bottom from each point to each box.

    A distance is negative if the point lies outside that side of the box.

    Args:
        points: (P, 2) xy.
        boxes: (M, 4) or (P, M, 4) xyxy.

    Returns:
        Four tensors (P, M).
    """
    x, y = points[:, :1], points[:, 1:]  # (P, 1) each
    x1, y1, x2, y2 = boxes.unbind(-1)
    return x - x1, y - y1, x2 - x, y2 - y


def _minimum(sides: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    return torch.minimum(torch.minimum(sides[0], sides[1]), torch.minimum(sides[2], sides[3]))
