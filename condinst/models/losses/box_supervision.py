"""Losses of masks that are learned from boxes (BoxInst, Equations 3 and 7).

Shapes: B images, N instances, E neighbors of a cell, H' x W' cells of the mask logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from condinst.models.losses.detection_losses import mean_count
from condinst.models.losses.mask_losses import MaskTargets, mask_loss, sum_over_chunks
from condinst.models.losses.pairwise_loss import pairwise_loss
from condinst.models.losses.pseudo_mask_losses import pseudo_mask_losses
from condinst.models.structures import GroundTruth, Instances
from condinst.targets.color_similarity import neighbor_offsets

__all__ = ["BoxSupervision", "instance_losses"]

SETTINGS = (
    "pairwise_size",
    "pairwise_dilation",
    "pairwise_weight",
    "warmup_iters",
    "warmup_start",
    "pseudo_weight",
    "affinity_weight",
)


class BoxSupervision:
    """The projection and pairwise losses, which learn masks from boxes and colors.

    Args:
        pairwise_size: side of the neighborhood of a cell, in neighbors; odd.
        pairwise_dilation: cells from one neighbor to the next.
        pairwise_weight: weight of the pairwise loss after the warm-up.
        warmup_iters: iterations over which the pairwise loss rises from 0 to its weight.
        warmup_start: number of the first iteration: 0 in mmdet, 1 in the original.
        pseudo_weight, affinity_weight: weights of the two losses of a teacher's masks (see
            :class:`~condinst.engine.BoxTeacherHook`).
        key: the config key of these arguments, for messages.

    Raises:
        ValueError: an argument has an invalid value.
    """

    def __init__(
        self,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        pairwise_weight: float = 1.0,
        warmup_iters: int = 10000,
        warmup_start: int = 0,
        pseudo_weight: float = 0.5,
        affinity_weight: float = 0.1,
        *,
        key: str = "model.mask_head",
    ) -> None:
        self.offsets = neighbor_offsets(pairwise_size, pairwise_dilation)
        if warmup_iters < 0:
            raise ValueError(f"{key}.warmup_iters={warmup_iters}: expected 0 or more")
        weights = dict(
            pairwise_weight=pairwise_weight,
            pseudo_weight=pseudo_weight,
            affinity_weight=affinity_weight,
        )
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f"{key}.{name}={weight}: expected 0 or more")
        self.pairwise_weight = pairwise_weight
        self.pseudo_weight = pseudo_weight
        self.affinity_weight = affinity_weight
        self.warmup_iters = warmup_iters
        self.warmup_start = warmup_start
        self.key = key

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None, key: str) -> BoxSupervision | None:
        """Make it from a config's dict; None for None.

        Raises:
            ValueError: the dict has an unknown key.
        """
        if settings is None:
            return None
        for name, value in settings.items():
            if name not in SETTINGS:
                expected = ", ".join(SETTINGS)
                raise ValueError(f"{key}.{name}={value!r}: expected one of {expected}")
        return cls(**settings, key=key)

    def losses(
        self,
        draw: Callable[[Tensor, Instances], Tensor],
        mask_feats: Tensor,
        instances: Instances,
        ground_truths: Sequence[GroundTruth],
        loss_mask: nn.Module,
    ) -> dict[str, Tensor]:
        """Compute both losses, for a few instances at a time.

        Args:
            draw: function from mask features and instances to (N, H', W') logits; the mask head.
            mask_feats: (B, C, H, W).
            instances: the N instances, with their objects' indices.
            ground_truths: one per image, with the edges between cells of similar color.
            loss_mask: loss between projected scores and boxes, one value per instance.

        Returns:
            ``loss_mask_project``, the mean over the instances of all processes; and
            ``loss_mask_pairwise``, the mean over the edges that start in a box, times the weight of
            the warm-up. Both are zero and attached to the graph if there is no instance. With masks
            of a teacher in the ground truth also those of
            :func:`~condinst.models.losses.pseudo_mask_losses.pseudo_mask_losses`, weighted.

        Raises:
            ValueError: an image has no edges, or edges of another neighborhood.
        """
        all_edges = torch.stack([self._edges(gt) for gt in ground_truths])  # (B, E, H', W')
        targets = MaskTargets(instances, ground_truths)
        img_inds = torch.arange(len(ground_truths)).repeat_interleave(
            torch.tensor(instances.counts)
        )  # (N,)
        img_inds = img_inds.to(mask_feats.device, non_blocking=True)
        edges_per_cell = all_edges.sum(dim=1)  # (B, H', W')
        # float32: float16 counts no further than 2048
        num_edges = mask_feats.new_zeros((), dtype=torch.float32)

        def sums(logits: Tensor, part: slice) -> Tensor:
            boxes = targets[part]  # (n, H', W') bool, the filled boxes
            num_edges.add_((edges_per_cell[img_inds[part]] * boxes).sum())
            edges = all_edges[img_inds[part]] & boxes[:, None]  # (n, E, H', W')
            return torch.stack(  # (2,)
                [
                    projection_loss(logits, boxes, loss_mask),
                    pairwise_loss(logits, edges, self.offsets),
                ]
            )

        projection, pairwise = sum_over_chunks(
            draw, mask_feats, instances, sums, cells=targets.cells, num_losses=2
        )
        losses = {
            "loss_mask_project": projection / mean_count(len(instances), projection),
            "loss_mask_pairwise": pairwise / mean_count(num_edges, pairwise) * self._weight(),
        }
        if any(gt.pseudo_masks is not None for gt in ground_truths):
            pseudo, affinity = pseudo_mask_losses(
                draw, mask_feats, instances, ground_truths, loss_mask, self.offsets
            )
            losses["loss_mask_pseudo"] = pseudo * self.pseudo_weight
            losses["loss_mask_affinity"] = affinity * self.affinity_weight
        return losses

    def _edges(self, gt: GroundTruth) -> Tensor:
        """Return the (E, H', W') edges of an image, checked."""
        if gt.pairwise_edges is None:
            if gt.box_only is not None and gt.mask_targets is not None:  # all have masks
                return gt.mask_targets.new_zeros(len(self.offsets), *gt.mask_targets.shape[1:])
            raise ValueError(
                "BoxInst's losses find no color similarities: the training pipeline needs "
                "PrepareBoxTargets before PackDetInputs, or the model needs "
                "data_preprocessor.type='BoxInstDataPreprocessor'"
            )
        if len(gt.pairwise_edges) != len(self.offsets):
            raise ValueError(
                f"the training pipeline compares the colors of {len(gt.pairwise_edges)} neighbors, "
                f"but {self.key}.pairwise_size says {len(self.offsets)}; they must be equal"
            )
        return gt.pairwise_edges

    def _weight(self) -> float:
        # the runner keeps its iteration there, also after --resume; without a runner it is 0
        count = MessageHub.get_current_instance().runtime_info.get("iter", 0)
        warmup = (
            min((count + self.warmup_start) / self.warmup_iters, 1.0) if self.warmup_iters else 1.0
        )
        return warmup * self.pairwise_weight


def instance_losses(
    draw: Callable[[Tensor, Instances], Tensor],
    mask_feats: Tensor,
    instances: Instances,
    ground_truths: Sequence[GroundTruth],
    loss_mask: nn.Module,
    boxes: BoxSupervision | None,
) -> dict[str, Tensor]:
    """Compute the losses of the masks of a mask head.

    Args:
        draw: function from mask features and instances to (N, H', W') logits; the mask head.
        mask_feats: (B, C, H, W).
        instances: the N training positives, with their objects' indices.
        ground_truths: one per image.
        loss_mask: loss between logits and masks, or between projected scores and boxes.
        boxes: the losses of objects that have boxes alone; None if all objects have masks.

    Returns:
        ``loss_mask`` of :func:`~condinst.models.losses.mask_losses.mask_loss` if all objects have
        masks; the losses of :meth:`BoxSupervision.losses` if none has; and both where the dataset
        allows both. Each is then the mean over the instances of its own kind, of all processes. So
        the scale of each is that of a training on its kind alone, for which weights and learning
        rates are known, whatever the mix of a batch is; and a few exact masks are not drowned by
        many boxes.

    Raises:
        ValueError: the ground truth has not what the losses need.
    """
    mixed = any(gt.box_only is not None for gt in ground_truths)
    if boxes is None:
        if mixed:
            raise ValueError(
                "the dataset has objects with a box and no mask (allow_box_only), but the model "
                "learns from masks only: set box_supervision=dict() in model.mask_head (of "
                "RTMDet-Ins, in model.bbox_head)"
            )
        loss = mask_loss(draw, mask_feats, instances, ground_truths, loss_mask)
        return {"loss_mask": loss}
    if not mixed:
        return boxes.losses(draw, mask_feats, instances, ground_truths, loss_mask)
    with_box = _of_boxes(instances, ground_truths)  # (N,) on the CPU
    of_masks, of_boxes = instances.select(~with_box), instances.select(with_box)
    return {
        "loss_mask": mask_loss(draw, mask_feats, of_masks, ground_truths, loss_mask),
        **boxes.losses(draw, mask_feats, of_boxes, ground_truths, loss_mask),
    }


def _of_boxes(instances: Instances, ground_truths: Sequence[GroundTruth]) -> Tensor:
    """Return (N,) bool on the CPU: whether only the box of each instance's object is known."""
    assert instances.gt_inds is not None
    parts = [
        torch.zeros_like(inds, dtype=torch.bool) if gt.box_only is None else gt.box_only[inds]
        for inds, gt in zip(instances.gt_inds.split(instances.counts), ground_truths, strict=True)
    ]
    return torch.cat(parts).cpu()


def projection_loss(logits: Tensor, boxes: Tensor, loss_mask: nn.Module) -> Tensor:
    """Sum the losses of the maxima along rows and columns over n instances.

    Args:
        logits: (n, H', W').
        boxes: (n, H', W') bool, the filled boxes.
        loss_mask: loss between scores and boxes, one value per instance.
    """
    axes = [
        loss_mask(
            logits.amax(dim=axis, keepdim=True),  # (n, 1, W'), then (n, H', 1)
            boxes.amax(dim=axis, keepdim=True).to(logits.dtype),
            reduction_override="none",
        )
        for axis in (1, 2)
    ]
    return torch.cat(axes).sum()
