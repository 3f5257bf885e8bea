"""Annotated instances -> the ground truth that assignment and losses read."""

from __future__ import annotations

import torch.nn.functional as F
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData

from condinst.mask_samples import sample_masks
from condinst.structures import GroundTruth, SampledMasks


def prepare_ground_truth(
    gt_instances: InstanceData, *, mask_size: tuple[int, int], mask_stride: int
) -> GroundTruth:
    """Bring what training reads of one picture's annotations to the device of the boxes.

    Args:
        gt_instances: ``bboxes`` (M, 4) and ``labels`` (M,), and ``masks`` where the data set has
            them: sampled in the data pipeline, or polygons or bitmaps at the input image's size,
            which are sampled here.
        mask_size: height and width of the mask head's logits.
        mask_stride: pixels per cell of these logits. The targets are the mask's pixels at
            ``mask_stride // 2 + i * mask_stride``, as in the published implementations.

    Returns:
        The picture's ground truth on the device of the boxes.

    Raises:
        ValueError: the pipeline sampled the masks with another stride.
    """
    bboxes = get_box_tensor(gt_instances.bboxes)
    if "masks" not in gt_instances:
        centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        return GroundTruth(bboxes, gt_instances.labels, centers, None)
    masks = gt_instances.masks
    if not isinstance(masks, SampledMasks):
        masks = sample_masks(masks, mask_stride)
    elif masks.stride != mask_stride:
        raise ValueError(
            "the training pipeline samples masks for another stride than the mask head draws: "
            f"PrepareMaskTargets has stride={masks.stride}, model.mask_head.mask_out_stride is "
            f"{mask_stride}; they must be equal"
        )
    masks = masks.to(bboxes.device, non_blocking=True)
    height, width = masks.samples.shape[1:]
    padding = (0, mask_size[1] - width, 0, mask_size[0] - height)
    return GroundTruth(
        bboxes, gt_instances.labels, masks.centers.to(bboxes.dtype), F.pad(masks.samples, padding)
    )
