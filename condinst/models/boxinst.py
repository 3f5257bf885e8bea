"""BoxInst: masks learned from boxes (Tian, Shen, Wang and Chen, CVPR 2021).

The network is that of CondInst; a projection and a pairwise loss replace the mask loss.

Shapes: B images, N instances, E neighbors of a cell, H' x W' cells of the mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from torch import Tensor

from condinst.models.condinst import CondInst
from condinst.models.data_preprocessor import DetDataPreprocessor
from condinst.models.heads.bbox_head import CondInstBboxHead
from condinst.models.heads.mask_head import CondInstMaskHead
from condinst.models.losses.detection_losses import mean_count
from condinst.models.losses.mask_losses import MaskTargets, sum_over_chunks
from condinst.models.structures import GroundTruth, Instances
from condinst.registry import MODELS
from condinst.targets.color_similarity import (
    compute_pairwise_edges,
    neighbor_offsets,
    to_lab,
    valid_cells,
)
from condinst.targets.target_types import SimilarColors


@MODELS.register_module()
class BoxInst(CondInst):
    """CondInst trained from boxes alone; the arguments are those of :class:`CondInst`.

    ``mask_head`` is a :class:`BoxInstMaskHead`. ``PrepareBoxTargets`` in the training pipeline or
    :class:`BoxInstDataPreprocessor` compares the colors.
    """


@MODELS.register_module()
class BoxInstBboxHead(CondInstBboxHead):
    """The box head of CondInst under the name that mmdet's configs use."""


@MODELS.register_module()
class BoxInstMaskHead(CondInstMaskHead):
    """CondInst's mask head with BoxInst's losses.

    Args:
        pairwise_size: side of the neighborhood of a cell, in neighbors; odd.
        pairwise_dilation: cells from one neighbor to the next.
        warmup_iters: iterations over which the weight of the pairwise loss rises from 0 to 1.
        warmup_start: number of the first iteration: 0 in mmdet, 1 in the original.
        kwargs: see :class:`~condinst.models.heads.mask_head.CondInstMaskHead`.
    """

    def __init__(
        self,
        *args,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        warmup_iters: int = 10000,
        warmup_start: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.offsets = neighbor_offsets(pairwise_size, pairwise_dilation)
        self.warmup_iters = warmup_iters
        self.warmup_start = warmup_start

    def loss(
        self, mask_feats: Tensor, instances: Instances, ground_truths: Sequence[GroundTruth]
    ) -> dict[str, Tensor]:
        """Compute the projection and pairwise losses (BoxInst, Equations 3 and 7).

        Args:
            mask_feats: (B, C, H, W).
            instances: the N instances, with their objects' indices.
            ground_truths: one per image, with the edges between cells of similar color.

        Returns:
            ``loss_mask_project``, the mean over the instances of all processes; and
            ``loss_mask_pairwise``, the mean over the edges that start in a box, times the weight of
            the warm-up.

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

        def losses(logits: Tensor, part: slice) -> Tensor:
            boxes = targets[part]  # (n, H', W') bool, the filled boxes
            num_edges.add_((edges_per_cell[img_inds[part]] * boxes).sum())
            edges = all_edges[img_inds[part]] & boxes[:, None]  # (n, E, H', W')
            return torch.stack(  # (2,)
                [
                    self._projection_loss(logits, boxes),
                    pairwise_loss(logits, edges, self.offsets),
                ]
            )

        projection, pairwise = sum_over_chunks(
            self, mask_feats, instances, losses, cells=targets.cells, num_losses=2
        )
        return {
            "loss_mask_project": projection / mean_count(len(instances), projection),
            "loss_mask_pairwise": pairwise / mean_count(num_edges, pairwise) * self._warmup(),
        }

    def _edges(self, gt: GroundTruth) -> Tensor:
        """Return the (E, H', W') edges of an image, checked."""
        if gt.pairwise_edges is None:
            raise ValueError(
                "BoxInst finds no color similarities: the training pipeline needs "
                "PrepareBoxTargets before PackDetInputs, or the model needs "
                "data_preprocessor.type='BoxInstDataPreprocessor'"
            )
        if len(gt.pairwise_edges) != len(self.offsets):
            raise ValueError(
                f"the training pipeline compares the colors of {len(gt.pairwise_edges)} neighbors, "
                f"but model.mask_head.pairwise_size says {len(self.offsets)}; they must be equal"
            )
        return gt.pairwise_edges

    def _projection_loss(self, logits: Tensor, boxes: Tensor) -> Tensor:
        """Sum the losses of the maxima along rows and columns over n instances."""
        axes = [
            self.loss_mask(
                logits.amax(dim=axis, keepdim=True),  # (n, 1, W'), then (n, H', 1)
                boxes.amax(dim=axis, keepdim=True).to(logits.dtype),
                reduction_override="none",
            )
            for axis in (1, 2)
        ]
        return torch.cat(axes).sum()

    def _warmup(self) -> float:
        # the runner keeps its iteration there, also after --resume; without a runner it is 0
        count = MessageHub.get_current_instance().runtime_info.get("iter", 0)
        return min((count + self.warmup_start) / self.warmup_iters, 1.0)


def pairwise_loss(logits: Tensor, edges: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:
    """Sum -log P(both ends of an edge are mask, or both are background) over all edges.

    An edge that leaves the map costs nothing. Logarithms are taken at the edges only, not
    everywhere on the map.

    Args:
        logits: (n, H', W').
        edges: (n, E, H', W') bool, from each cell to each of its neighbors.
        offsets: E pairs of rows and columns from a cell to each neighbor; the e-th from the front
            and the e-th from the back are opposite.

    Returns:
        Scalar.
    """
    height, width = logits.shape[-2:]
    half = len(offsets) // 2
    # An edge and its reverse have the same probability. So it is computed once, for the cell that
    # comes first in memory, and only where there is an edge: boxes are small beside the map.
    # times: how many of the two directions are edges, (E / 2, n, H', W')
    times = edges.new_zeros((half, *logits.shape), dtype=torch.uint8)
    for e, (dy, dx) in enumerate(offsets[half:]):
        if dy < height and abs(dx) < width:
            here = (..., slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            there = (..., slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            times[e][here] = edges[:, half + e][here]
            times[e][here] += edges[:, half - 1 - e][there]
    where = times.flatten().nonzero().squeeze(1)  # (k,) edges, counted without direction
    steps = torch.tensor([dy * width + dx for dy, dx in offsets[half:]])  # (E / 2,) in memory
    steps = steps.to(logits.device, non_blocking=True)
    cells = where % logits.numel()
    ends = torch.stack([cells, cells + steps[where // logits.numel()]])  # (2, k)
    one, other = logits.flatten().index_select(0, ends.flatten()).chunk(2)  # (k,) each
    # the logit of p q + (1 - p) (1 - q) from the logits of p and q: probabilities near 0 would
    # lose their logarithm
    agree = F.softplus(one + other) - torch.logaddexp(one, other)
    return -(F.logsigmoid(agree) * times.flatten()[where]).sum()


@MODELS.register_module()
class BoxInstDataPreprocessor(DetDataPreprocessor):
    """Compare colors in the training step, for pipelines without ``PrepareBoxTargets``.

    This class computes as mmdet's class of this name does, from the normalized batch; the transform
    computes as the original implementation does, from the image. The two differ by the rounding of
    the normalization and in the color of the padding (the mean here, black there).

    Args:
        mask_stride: the value of ``mask_head.mask_out_stride``.
        pairwise_size, pairwise_dilation: the values of the mask head.
        pairwise_color_thresh: least color similarity of an edge, from 0 to 1.
        bottom_pixels_removed: see :class:`~condinst.datasets.PrepareBoxTargets`.
        bgr_to_rgb: whether the batch is RGB; otherwise it is BGR, as images of 3 channels are
            loaded. For other channels see :class:`~condinst.datasets.PrepareBoxTargets`.
        value_range: the value of white: 255 for 8 bits, 65535 for 16.
        kwargs: see mmdet's ``DetDataPreprocessor``.
    """

    def __init__(
        self,
        *args,
        mask_stride: int = 4,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        pairwise_color_thresh: float = 0.3,
        bottom_pixels_removed: int = 10,
        bgr_to_rgb: bool = False,
        value_range: float = 255.0,
        **kwargs,
    ) -> None:
        super().__init__(*args, bgr_to_rgb=bgr_to_rgb, **kwargs)
        self.is_rgb = bgr_to_rgb
        self.value_range = value_range
        self.mask_stride = mask_stride
        self.pairwise_size = pairwise_size
        self.pairwise_dilation = pairwise_dilation
        self.pairwise_color_thresh = pairwise_color_thresh
        self.bottom_pixels_removed = bottom_pixels_removed

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make a batch as mmdet's preprocessor does, and add edges to its training samples."""
        data = super().forward(data, training)
        if not training:
            return data
        for image, sample in zip(data["inputs"], data["data_samples"], strict=True):
            objects = sample.gt_instances
            if isinstance(objects.get("masks"), SimilarColors):
                continue
            edges = self._edges(image, sample.metainfo).to(image.device)
            objects.pop("masks", None)
            # mmdet's data samples have no field for them
            objects.masks = SimilarColors(edges, self.mask_stride, len(objects))
        return data

    def _edges(self, image: Tensor, meta: dict) -> Tensor:
        """Return the (E, h, w) edges of a normalized (C, H, W) image."""
        colors = image * self.std + self.mean if self._enable_normalize else image
        if len(colors) != 3:
            colors = colors[:3] if len(colors) > 3 else colors[:1].expand(3, -1, -1)
        elif not self.is_rgb:
            colors = colors.flip(0)
        if self.value_range != 255:
            colors = (colors * (255.0 / self.value_range)).clamp(0, 255)
        means = F.avg_pool2d(colors[None].float(), self.mask_stride)[0]  # (3, h, w)
        lab = to_lab(means.byte().permute(1, 2, 0).cpu().numpy())
        valid = valid_cells(
            (lab.shape[1], lab.shape[2]),
            self.mask_stride,
            meta["img_shape"][:2],
            meta.get("ori_shape", meta["img_shape"])[0],
            self.bottom_pixels_removed,
        )
        return compute_pairwise_edges(
            lab,
            valid,
            size=self.pairwise_size,
            dilation=self.pairwise_dilation,
            color_thresh=self.pairwise_color_thresh,
        )
