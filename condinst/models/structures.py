"""Typed records that one stage passes to the next.

Letters used in shapes here and in the models:
    B images, L levels, P points of all levels, C classes, K parameters of one dynamic network,
    M objects of one image, N instances, H and W rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from torch import Tensor


class DensePredictions(NamedTuple):
    """The outputs of the box head at every point, one tensor per pyramid level.

    Attributes:
        cls_scores: (B, C, H, W) class logits.
        bbox_preds: (B, 4, H, W) distances left, top, right, bottom from the point to the box, 0 or
            more. In units of the level's stride while training with ``norm_on_bbox``, in
            input-image pixels otherwise.
        centernesses: (B, 1, H, W) logits; no tensor at all where a head predicts none.
        param_feats: (B, X, H, W) features that the controller reads. It runs at the points of
            instances only: its K channels at all other points would never be used. RTMDet-Ins runs
            the tower before it there too, in evaluation.
    """

    cls_scores: list[Tensor]
    bbox_preds: list[Tensor]
    centernesses: list[Tensor]
    param_feats: list[Tensor]


@dataclass
class GroundTruth:
    """The annotations of one image, in input-image pixels.

    Attributes:
        bboxes: (M, 4) xyxy.
        labels: (M,) class indices.
        centers: (M, 2) xy, the point around which locations become positive: the centroid of the
            mask, or the center of the box where there is no mask.
        mask_targets: (M, H, W) bool, the masks sampled at every ``mask_out_stride``-th pixel; the
            filled boxes where boxes supervise the masks; None if there are no masks.
        semantic: (H', W') class index of every cell of the semantic logits, -1 for background;
            None without a semantic head.
        pairwise_edges: (E, H, W) bool, whether a cell and its e-th neighbor have similar colors,
            where boxes supervise the masks; None otherwise.
        box_only: (M,) bool, whether the box alone supervises the mask of the object; None where
            all objects of the dataset are of one kind.
        pseudo_masks: (M, H, W) probabilities of the masks that a teacher predicts, 0 outside the
            boxes; None without a teacher.
        pseudo_scores: (M,) confidence in each of them, from 0 to 1; 0 where there is none.
    """

    bboxes: Tensor
    labels: Tensor
    centers: Tensor
    mask_targets: Tensor | None
    semantic: Tensor | None = None
    pairwise_edges: Tensor | None = None
    box_only: Tensor | None = None
    pseudo_masks: Tensor | None = None
    pseudo_scores: Tensor | None = None


@dataclass
class Assignment:
    """The training targets of every point of a batch.

    Attributes:
        labels: (B, P) class index, C for background.
        img_inds: (N,) index of the image of each positive point, ascending.
        point_inds: (N,) index of the point among all P, ascending within an image.
        gt_inds: (N,) index of its object in its image.
        bbox_targets: (N, 4) distances to that object's box in input-image pixels.
        counts: positive points of each of the B images; they sum to N.
    """

    labels: Tensor
    img_inds: Tensor
    point_inds: Tensor
    gt_inds: Tensor
    bbox_targets: Tensor
    counts: list[int]


@dataclass
class SoftAssignment:
    """The training targets of a batch where an object's class score is the quality of its box.

    Attributes:
        labels: (B, P) class index, C for background.
        weights: (B, P) weight of each point in the class loss, 0 outside the image.
        img_inds: (N,) index of the image of each positive point, ascending.
        point_inds: (N,) index of the point among all P, ascending within an image.
        gt_inds: (N,) index of its object in its image.
        bbox_targets: (N, 4) xyxy, that object's box in input-image pixels.
        qualities: (N,) IoU of the predicted box with it.
        counts: positive points of each of the B images; they sum to N.
    """

    labels: Tensor
    weights: Tensor
    img_inds: Tensor
    point_inds: Tensor
    gt_inds: Tensor
    bbox_targets: Tensor
    qualities: Tensor
    counts: list[int]


@dataclass
class Instances:
    """Instances of all images whose masks are to be drawn: training positives or detections.

    Attributes:
        params: (N, K) parameters of each instance's dynamic network, ordered by image.
        points: (N, 2) xy of the point that predicted it, input-image pixels.
        strides: (N,) stride of that point's level, pixels.
        counts: instances of each image of the batch; they sum to N.
        gt_inds: (N,) index of the object in its image; None for detections.
    """

    params: Tensor
    points: Tensor
    strides: Tensor
    counts: list[int]
    gt_inds: Tensor | None = None

    def __len__(self) -> int:
        return self.params.shape[0]

    def select(self, chosen: Tensor) -> Instances:
        """Return the instances of (N,) bools on the CPU, in their order."""
        counts = [int(part.sum()) for part in chosen.split(self.counts)]
        inds = chosen.nonzero().squeeze(1).to(self.params.device, non_blocking=True)
        return Instances(
            params=self.params[inds],
            points=self.points[inds],
            strides=self.strides[inds],
            counts=counts,
            gt_inds=None if self.gt_inds is None else self.gt_inds[inds],
        )

    def chunks(self, size: int) -> Iterator[tuple[slice, Instances]]:
        """Yield at most ``size`` instances at a time: their range among the N, and a record."""
        ends = list(accumulate(self.counts))
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            counts = [  # how many of the range are of each image
                max(min(end, part.stop) - max(end - count, part.start), 0)
                for end, count in zip(ends, self.counts, strict=True)
            ]
            yield (
                part,
                Instances(
                    params=self.params[part],
                    points=self.points[part],
                    strides=self.strides[part],
                    counts=counts,
                    gt_inds=None if self.gt_inds is None else self.gt_inds[part],
                ),
            )
