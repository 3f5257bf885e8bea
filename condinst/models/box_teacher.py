"""BoxTeacher: masks that a teacher predicts for known boxes (Cheng et al., CVPR 2023).

Shapes: M objects of one image, N predictions, h x w cells of the mask logits in the loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from torch import Tensor

from condinst.models.condinst import CondInst
from condinst.models.losses.pseudo_mask_losses import MASK_THR
from condinst.models.task_modules.ground_truth import box_masks

__all__ = ["add_pseudo_masks", "assign_predictions", "mask_confidence"]


@torch.no_grad()
def add_pseudo_masks(
    teacher: CondInst,
    batch_inputs: Tensor,
    batch_data_samples: Sequence[DetDataSample],
    iou_thr: float,
) -> None:
    """Predict a mask for each annotated box, and add the masks to the annotations.

    ``gt_instances`` get ``pseudo_masks`` (M, h, w), the probabilities of the foreground, 0 outside
    the box; and ``pseudo_scores`` (M,), the confidence in each mask. Both are 0 for a box without a
    prediction.

    Args:
        teacher: the detector, in evaluation mode.
        batch_inputs: (B, C, H, W) normalized, padded images.
        batch_data_samples: their ``gt_instances``, and the metainfo ``img_shape``.
        iou_thr: least IoU of a predicted box and the annotated box, see :func:`assign_predictions`.
    """
    feats = teacher.extract_feat(batch_inputs)
    dense = teacher.bbox_head(feats)
    mask_feats = teacher.mask_head.mask_feature_head(feats)
    sizes = [sample.metainfo["img_shape"][:2] for sample in batch_data_samples]
    boxes = [
        get_box_tensor(sample.gt_instances.bboxes).to(batch_inputs.device)
        for sample in batch_data_samples
    ]
    detections, objects = [], []
    for found, known in zip(teacher.bbox_head.predict(dense, sizes), boxes, strict=True):
        inds = assign_predictions(found.bboxes, found.scores, known, iou_thr)  # (N,)
        detections.append(found[inds >= 0])
        objects.append(inds[inds >= 0])
    # RTMDet-Ins' logits are finer in the loss than in tests
    head = teacher.mask_head
    draw = getattr(head, "finer_logits", head)
    stride = getattr(head, "mask_loss_stride", head.mask_out_stride)
    instances = teacher._detected_instances(dense, detections)
    logits = draw(mask_feats, instances).float()  # (all kept predictions, h, w)
    parts = logits.sigmoid().split(instances.counts)
    for i, sample in enumerate(batch_data_samples):
        inside, _ = box_masks(boxes[i], tuple(logits.shape[1:]), stride)  # (M, h, w)
        masks = inside.new_zeros(inside.shape, dtype=torch.float32)
        masks[objects[i]] = parts[i] * inside[objects[i]]
        scores = masks.new_zeros(len(masks))
        scores[objects[i]] = mask_confidence(masks[objects[i]], detections[i].scores.float())
        sample.gt_instances.pseudo_masks = masks
        sample.gt_instances.pseudo_scores = scores


def assign_predictions(bboxes: Tensor, scores: Tensor, gt_bboxes: Tensor, iou_thr: float) -> Tensor:
    """Give each annotated box the best prediction of it (Section 3.3).

    A prediction is one of the annotated box that it overlaps most, if their IoU reaches
    ``iou_thr``; the best one of a box has the highest score. Classes do not matter: the teacher's
    class may be wrong where its mask is right.

    Args:
        bboxes: (N, 4) xyxy, predicted.
        scores: (N,) of the predictions.
        gt_bboxes: (M, 4) xyxy, annotated.
        iou_thr: from 0 to 1.

    Returns:
        (N,) index of the annotated box that gets the prediction, -1 for none.
    """
    objects = torch.full_like(scores, -1, dtype=torch.long)
    if not len(bboxes) or not len(gt_bboxes):
        return objects
    ious, nearest = bbox_overlaps(bboxes.float(), gt_bboxes.float()).max(dim=1)  # (N,) each
    places = torch.arange(len(gt_bboxes), device=bboxes.device)
    is_of = (nearest[:, None] == places) & (ious >= iou_thr)[:, None]  # (N, M)
    best, inds = torch.where(is_of, scores[:, None], -1.0).max(dim=0)  # (M,) each
    objects[inds[best >= 0]] = places[best >= 0]
    return objects


def mask_confidence(masks: Tensor, scores: Tensor) -> Tensor:
    """Estimate how good masks are: the mask-aware confidence score (Section 3.3).

    It is the root of the score times the mean probability of the mask's own cells.

    Args:
        masks: (N, h, w) probabilities of the foreground, 0 outside the annotated box.
        scores: (N,) of the predictions.

    Returns:
        (N,) from 0 to 1; 0 for a mask without cells in the box.
    """
    own = masks > MASK_THR
    total = torch.where(own, masks, 0).sum(dim=(1, 2))
    return (scores * total / own.sum(dim=(1, 2)).clamp(min=1)).sqrt()
