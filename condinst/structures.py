"""Typed records that flow between the stages, one way.

Letters used in shapes here and in the models:
    B images, L levels, P points of all levels, C classes, K parameters of one dynamic network,
    M objects of one picture, N instances, H and W rows and columns of a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class DensePredictions(NamedTuple):
    """What the box head says at every point, one tensor per pyramid level.

    Attributes:
        cls_scores: (B, C, H, W) class logits.
        bbox_preds: (B, 4, H, W) distances left, top, right, bottom from the point to the box, not
            negative. In units of the level's stride while training with ``norm_on_bbox``, in
            input-image pixels otherwise.
        centernesses: (B, 1, H, W) logits.
        param_preds: (B, K, H, W) parameters of the dynamic network.
    """

    cls_scores: list[Tensor]
    bbox_preds: list[Tensor]
    centernesses: list[Tensor]
    param_preds: list[Tensor]


@dataclass
class GroundTruth:
    """The annotations of one picture, in input-image pixels.

    Attributes:
        bboxes: (M, 4) xyxy.
        labels: (M,) class indices.
        centers: (M, 2) xy, the point around which locations become positive: the centroid of the
            mask, or the centre of the box where there is no mask.
        masks: (M, H, W) bool, the masks read at every ``mask_out_stride``-th pixel, or None.
    """

    bboxes: Tensor
    labels: Tensor
    centers: Tensor
    masks: Tensor | None


@dataclass
class Assignment:
    """What every point of a batch has to learn.

    Attributes:
        labels: (B, P) class index, C for background.
        bbox_targets: (B, P, 4) distances to the assigned box in input-image pixels; only those of
            positive points mean something.
        gt_inds: (B, P) index of the object in its picture, -1 for background.
    """

    labels: Tensor
    bbox_targets: Tensor
    gt_inds: Tensor


@dataclass
class Instances:
    """Instances whose masks are to be drawn: training positives or detections, all images.

    Attributes:
        params: (N, K) parameters of each instance's dynamic network.
        points: (N, 2) xy of the point that predicted it, input-image pixels.
        strides: (N,) stride of that point's level, pixels.
        img_inds: (N,) index of the image in the batch, ascending.
        gt_inds: (N,) index of the object in its picture; None for detections.
    """

    params: Tensor
    points: Tensor
    strides: Tensor
    img_inds: Tensor
    gt_inds: Tensor | None = None

    def __len__(self) -> int:
        return self.params.shape[0]
