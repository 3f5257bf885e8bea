"""Annotated instances -> the ground truth that assignment and losses read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.models.structures import GroundTruth
from condinst.targets.mask_samples import sample_masks
from condinst.targets.target_types import SampledMasks, SimilarColors

_MASK_STRIDE = "model.mask_head.mask_out_stride"


def prepare_ground_truth(
    gt_instances: InstanceData,
    *,
    mask_size: tuple[int, int],
    mask_stride: int,
    semantic_size: tuple[int, int] | None = None,
    semantic_stride: int | None = None,
) -> GroundTruth:
    """Bring what training reads of one image's annotations to the device of the boxes.

    Args:
        gt_instances: ``bboxes`` (M, 4) and ``labels`` (M,), and ``masks`` where the dataset has
            them: sampled in the data pipeline, or polygons or bitmaps at the input image's size,
            which are sampled here; or the colors that BoxInst goes by.
        mask_size: height and width of the mask head's logits.
        mask_stride: pixels per cell of these logits. The targets are the mask's pixels at
            ``mask_stride // 2 + i * mask_stride``, as in the published implementations.
        semantic_size, semantic_stride: the same of the semantic head's logits, where there is one.

    Returns:
        The image's ground truth on the device of the boxes.

    Raises:
        ValueError: the pipeline sampled the masks with another stride.
    """
    bboxes = get_box_tensor(gt_instances.bboxes)
    labels = gt_instances.labels
    if "masks" not in gt_instances:
        centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        return GroundTruth(bboxes, labels, centers, None)
    masks = gt_instances.masks
    if isinstance(masks, SimilarColors):
        _check_stride("PrepareBoxTargets", "stride", masks.stride, mask_stride, _MASK_STRIDE)
        filled, centers = box_masks(bboxes, mask_size, mask_stride)
        similar = _pad(masks.to(bboxes.device, non_blocking=True).edges, mask_size)
        return GroundTruth(bboxes, labels, centers, filled, similar=similar)
    if not isinstance(masks, SampledMasks):
        masks = sample_masks(masks, mask_stride, semantic_stride)
    _check_stride("PrepareMaskTargets", "stride", masks.stride, mask_stride, _MASK_STRIDE)
    masks = masks.to(bboxes.device, non_blocking=True)
    truth = GroundTruth(
        bboxes, labels, masks.centers.to(bboxes.dtype), _pad(masks.samples, mask_size)
    )
    if semantic_size is not None:
        made = None if masks.coarse is None else masks.coarse.stride
        _check_stride(
            "PrepareMaskTargets",
            "semantic_stride",
            made,
            semantic_stride,
            "model.semantic_head.stride",
        )
        assert masks.coarse is not None
        truth.semantic = semantic_map(_pad(masks.coarse.samples, semantic_size), masks, labels)
    return truth


def semantic_map(samples: Tensor, masks: SampledMasks, labels: Tensor) -> Tensor:
    """The class of every cell: that of the smallest mask which covers it.

    Args:
        samples: (M, H, W) bool, the masks at the semantic logits' stride.
        masks: the same masks, with their areas.
        labels: (M,) class indices.

    Returns:
        (H, W), -1 where there is no mask.
    """
    if len(samples) == 0:
        return labels.new_full(samples.shape[1:], -1)
    areas = masks.areas.to(torch.float32)[:, None, None]
    smallest, inds = torch.where(samples, areas, torch.inf).min(dim=0)
    return torch.where(smallest.isfinite(), labels[inds], -1)


def box_masks(bboxes: Tensor, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Filled boxes in place of masks, sampled like masks (BoxInst, Section 3.1).

    A box covers the whole pixels that it touches, as in the published implementations.

    Args:
        bboxes: (M, 4) xyxy, input-image pixels.
        size: h and w, cells of the mask logits.
        stride: pixels per cell.

    Returns:
        (M, h, w) bool, the pixels at ``stride // 2 + i * stride``; and the (M, 2) xy mean of each
        filled box's pixels, input-image pixels.
    """
    limits = bboxes.new_tensor([size[1] * stride, size[0] * stride])
    first = bboxes[:, :2].trunc().clamp(min=0)
    stop = torch.minimum((bboxes[:, 2:] + 1).trunc(), limits)
    columns, rows = (
        stride // 2 + stride * torch.arange(n, device=bboxes.device) for n in (size[1], size[0])
    )
    in_columns = (columns >= first[:, :1]) & (columns < stop[:, :1])
    in_rows = (rows >= first[:, 1:]) & (rows < stop[:, 1:])
    return in_rows[:, :, None] & in_columns[:, None, :], (first + stop - 1) / 2


def _pad(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(X, h, w) bool, filled up with False at the right and at the bottom."""
    height, width = maps.shape[1:]
    return F.pad(maps, (0, size[1] - width, 0, size[0] - height))


def _check_stride(
    transform: str, name: str, made: int | None, needed: int | None, owner: str
) -> None:
    if made != needed:
        raise ValueError(
            "the training pipeline makes targets for another stride than the model needs: "
            f"{transform} has {name}={made}, {owner} is {needed}; they must be equal"
        )
