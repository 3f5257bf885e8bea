"""Ground truth of assignment and losses, from mmdet's annotated instances."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.models.structures import GroundTruth
from condinst.targets.mask_samples import sample_masks
from condinst.targets.target_types import SampledMasks, SimilarColors


def prepare_ground_truth(
    gt_instances: InstanceData,
    *,
    mask_size: tuple[int, int],
    mask_stride: int,
    semantic_size: tuple[int, int] | None = None,
    semantic_stride: int | None = None,
    stride_key: str = "model.mask_head.mask_out_stride",
) -> GroundTruth:
    """Convert the annotations of one image to ground truth on the device of the boxes.

    Args:
        gt_instances: ``bboxes`` (M, 4) and ``labels`` (M,), and ``masks`` if the dataset has them.
            mmdet's pipelines read and write that one field, so it holds one of three things:
            masks that the data pipeline has sampled (``SampledMasks``); polygons or bitmaps at the
            input image's size, which are sampled here; or color similarities for BoxInst
            (``SimilarColors``). Sampled masks may say that some objects have only a box. And
            ``pseudo_masks`` and ``pseudo_scores``, if a teacher predicts masks.
        mask_size: height and width of the mask head's logits.
        mask_stride: input-image pixels per cell of these logits. The targets are the mask's pixels
            at ``mask_stride // 2 + i * mask_stride``, as in the published implementations.
        semantic_size, semantic_stride: likewise for the logits of a semantic head, or None.
        stride_key: the config key of ``mask_stride``, for messages.

    Returns:
        The image's ground truth.

    Raises:
        ValueError: the pipeline loads no boxes, sampled the masks with another stride, or has not
            what objects without masks need; or a teacher's masks are not of the batch's size.
    """
    if "bboxes" not in gt_instances:
        raise ValueError(
            "the training pipeline gives images without boxes: expected LoadAnnotations before "
            "PackDetInputs"
        )
    bboxes = get_box_tensor(gt_instances.bboxes)
    labels = gt_instances.labels
    if "masks" not in gt_instances:
        centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        return GroundTruth(bboxes, labels, centers, None)
    if isinstance(gt_instances.masks, SimilarColors):
        colors = gt_instances.masks.to(bboxes.device, non_blocking=True)
        _check_stride("PrepareBoxTargets", "stride", colors.stride, mask_stride, stride_key)
        mask_targets, centers = box_masks(bboxes, mask_size, mask_stride)
        edges = _pad(colors.edges, mask_size)  # (E, *mask_size)
        truth = GroundTruth(bboxes, labels, centers, mask_targets, pairwise_edges=edges)
        _take_pseudo_masks(truth, gt_instances, mask_size)
        return truth
    masks = gt_instances.masks
    if not isinstance(masks, SampledMasks):
        masks = sample_masks(masks, mask_stride, semantic_stride)
    mixed = masks.box_only is not None
    kind = "PrepareMixedTargets" if mixed else "PrepareMaskTargets"
    _check_stride(kind, "stride", masks.stride, mask_stride, stride_key)
    if mixed:
        _check_mixed(masks, semantic_size)
    masks = masks.to(bboxes.device, non_blocking=True)
    mask_targets = _pad(masks.samples, mask_size)  # (M, *mask_size)
    truth = GroundTruth(bboxes, labels, masks.centers.to(bboxes.dtype), mask_targets)
    if mixed:
        _take_boxes(truth, masks, mask_size)
        _take_pseudo_masks(truth, gt_instances, mask_size)
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


def _check_mixed(masks: SampledMasks, semantic_size: tuple[int, int] | None) -> None:
    if semantic_size is not None:
        raise ValueError(
            "model.semantic_head learns from the masks of all objects, but the dataset has "
            "allow_box_only; remove the semantic head"
        )
    if masks.colors is None and masks.box_only is not None and masks.box_only.any():
        raise ValueError(
            f"{int(masks.box_only.sum())} objects of an image have a box and no mask, but there "
            "are no colors to learn from: the training pipeline needs PrepareMixedTargets before "
            "PackDetInputs"
        )


def _take_boxes(truth: GroundTruth, masks: SampledMasks, size: tuple[int, int]) -> None:
    """Give the objects that have only a box their filled boxes, as where all have only boxes."""
    assert truth.mask_targets is not None
    assert masks.box_only is not None
    filled, centers = box_masks(truth.bboxes, size, masks.stride)
    truth.box_only = masks.box_only
    truth.mask_targets = torch.where(masks.box_only[:, None, None], filled, truth.mask_targets)
    truth.centers = torch.where(masks.box_only[:, None], centers, truth.centers)
    if masks.colors is not None:
        truth.pairwise_edges = _pad(masks.colors.edges, size)  # (E, *size)


def _take_pseudo_masks(truth: GroundTruth, objects: InstanceData, size: tuple[int, int]) -> None:
    if "pseudo_masks" not in objects:
        return
    if objects.pseudo_masks.shape[1:] != size:
        raise ValueError(
            f"a teacher has predicted masks of {tuple(objects.pseudo_masks.shape[1:])} cells, but "
            f"the batch has {size}: only steps that change colors may follow KeepTeacherImage, and "
            "BoxTeacherHook does not go with model.data_preprocessor.batch_augments"
        )
    truth.pseudo_masks = objects.pseudo_masks
    truth.pseudo_scores = objects.pseudo_scores


def semantic_map(samples: Tensor, masks: SampledMasks, labels: Tensor) -> Tensor:
    """Give every cell the class of the smallest mask that covers it.

    Args:
        samples: (M, H, W) bool, the masks at the semantic logits' stride.
        masks: the same masks, with their areas.
        labels: (M,) class indices.

    Returns:
        (H, W) class indices, -1 where there is no mask.
    """
    if len(samples) == 0:
        return labels.new_full(samples.shape[1:], -1)
    areas = masks.areas.to(torch.float32)[:, None, None]  # (M, 1, 1)
    smallest, inds = torch.where(samples, areas, torch.inf).min(dim=0)  # (H, W) each
    return torch.where(smallest.isfinite(), labels[inds], -1)


def box_masks(bboxes: Tensor, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Sample filled boxes like masks, for training without masks (BoxInst, Section 3.1).

    A box covers every pixel that it touches, as in the published implementations.

    Args:
        bboxes: (M, 4) xyxy, input-image pixels.
        size: h and w, cells of the mask logits.
        stride: input-image pixels per cell.

    Returns:
        (M, h, w) bool, the pixels at ``stride // 2 + i * stride``; and the (M, 2) xy mean of each
        filled box's pixels, input-image pixels.
    """
    limits = bboxes.new_tensor([size[1] * stride, size[0] * stride])  # (2,) xy
    first = bboxes[:, :2].trunc().clamp(min=0)  # (M, 2) xy
    stop = torch.minimum((bboxes[:, 2:] + 1).trunc(), limits)  # (M, 2) xy
    columns, rows = (
        stride // 2 + stride * torch.arange(n, device=bboxes.device) for n in (size[1], size[0])
    )
    in_columns = (columns >= first[:, :1]) & (columns < stop[:, :1])  # (M, w)
    in_rows = (rows >= first[:, 1:]) & (rows < stop[:, 1:])  # (M, h)
    return in_rows[:, :, None] & in_columns[:, None, :], (first + stop - 1) / 2


def _pad(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Pad (X, h, w) bool maps with False at the right and at the bottom."""
    height, width = maps.shape[1:]
    return F.pad(maps, (0, size[1] - width, 0, size[0] - height))


def _check_stride(
    transform: str, name: str, made: int | None, needed: int | None, owner: str
) -> None:
    if made != needed:
        raise ValueError(
            f"training pipeline: {transform} has {name}={made}, {owner} is {needed}; they must "
            "be equal"
        )
