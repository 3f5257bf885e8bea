"""BoxInst: masks learned from boxes (Tian, Shen, Wang and Chen, CVPR 2021).

The network is CondInst's; two losses take the place of its mask loss.

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
from condinst.targets.color_similarity import alike_neighbors, neighbor_offsets, to_lab, valid_cells
from condinst.targets.target_types import SimilarColors


@MODELS.register_module()
class BoxInst(CondInst):
    """CondInst whose masks are learned from boxes; see there for the arguments.

    ``mask_head`` is a :class:`BoxInstMaskHead`. Colors come from ``PrepareBoxTargets`` in the
    training pipeline, or from :class:`BoxInstDataPreprocessor`.
    """


@MODELS.register_module()
class BoxInstBboxHead(CondInstBboxHead):
    """CondInst's, under the name that mmdet's configs use."""


@MODELS.register_module()
class BoxInstMaskHead(CondInstMaskHead):
    """CondInst's mask head with BoxInst's losses.

    Args:
        pairwise_size: side of the neighborhood of a cell, odd.
        pairwise_dilation: cells from one neighbor to the next.
        warmup_iters: iterations in which the pairwise loss's factor rises from 0 to 1.
        warmup_start: the count of the first iteration: 0 in mmdet, 1 in the original.
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
        """Projection and pairwise losses (BoxInst, Equations 3 and 7).

        Args:
            mask_feats: (B, C, H, W).
            instances: the N instances, with their objects' indices.
            ground_truths: one per image, with the edges between cells of similar color.

        Returns:
            ``loss_mask_project``, mean over the instances of all processes; ``loss_mask_pairwise``,
            mean over the edges with an end in a box, times the factor of the warm-up.

        Raises:
            ValueError: the images have no edges, or for another neighborhood.
        """
        similar = torch.stack([self._edges(gt) for gt in ground_truths])  # (B, E, H', W')
        targets = MaskTargets(instances, ground_truths)
        images = torch.arange(len(ground_truths)).repeat_interleave(torch.tensor(instances.counts))
        images = images.to(mask_feats.device, non_blocking=True)
        edges_per_cell = similar.sum(dim=1)
        num_edges = mask_feats.new_zeros((), dtype=torch.float32)

        def losses(logits: Tensor, part: slice) -> Tensor:
            boxes = targets[part]
            num_edges.add_((edges_per_cell[images[part]] * boxes).sum())
            edges = similar[images[part]] & boxes[:, None]
            return torch.stack(
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
        if gt.similar is None:
            raise ValueError(
                "BoxInst finds no colors to compare: the training pipeline needs "
                "PrepareBoxTargets before PackDetInputs, or the model "
                "data_preprocessor.type='BoxInstDataPreprocessor'"
            )
        if len(gt.similar) != len(self.offsets):
            raise ValueError(
                f"the training pipeline compares the colors of {len(gt.similar)} neighbors, but "
                f"model.mask_head.pairwise_size says {len(self.offsets)}; they must be equal"
            )
        return gt.similar

    def _projection_loss(self, logits: Tensor, boxes: Tensor) -> Tensor:
        """Losses of the maxima along rows and columns, summed over n instances."""
        axes = [
            self.loss_mask(
                logits.amax(dim=axis, keepdim=True),
                boxes.amax(dim=axis, keepdim=True).to(logits.dtype),
                reduction_override="none",
            )
            for axis in (1, 2)
        ]
        return torch.cat(axes).sum()

    def _warmup(self) -> float:
        # the runner puts its count there, also after --resume; without a runner it is 0
        count = MessageHub.get_current_instance().runtime_info.get("iter", 0)
        return min((count + self.warmup_start) / self.warmup_iters, 1.0)


def pairwise_loss(logits: Tensor, edges: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:
    """-log of the probability that both ends of an edge are on the same side, summed over edges.

    An edge that leads out of the map costs nothing: whatever the cell is, the other end agrees.
    Logarithms are taken where edges are, not everywhere on the map.

    Args:
        logits: (n, H', W').
        edges: (n, E, H', W') bool, from each cell to each of its neighbors.
        offsets: rows and columns from a cell to each neighbor; the e-th from the front and the
            e-th from the back are opposite.
    """
    height, width = logits.shape[-2:]
    half = len(offsets) // 2
    # An edge and its reverse have the same probability: it is computed once, for the cell whose
    # other end lies behind, and only where an edge is: boxes are small beside the map.
    times = edges.new_zeros((half, *logits.shape), dtype=torch.uint8)
    for e, (dy, dx) in enumerate(offsets[half:]):
        if dy < height and abs(dx) < width:
            here = (..., slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            there = (..., slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            times[e][here] = edges[:, half + e][here]
            times[e][here] += edges[:, half - 1 - e][there]
    where = times.flatten().nonzero().squeeze(1)
    steps = torch.tensor([dy * width + dx for dy, dx in offsets[half:]])
    steps = steps.to(logits.device, non_blocking=True)
    cells = where % logits.numel()
    ends = torch.stack([cells, cells + steps[where // logits.numel()]])
    one, other = logits.flatten().index_select(0, ends.flatten()).chunk(2)
    # the logit of p q + (1 - p) (1 - q), of the logits of p and q
    agree = F.softplus(one + other) - torch.logaddexp(one, other)
    return -(F.logsigmoid(agree) * times.flatten()[where]).sum()


@MODELS.register_module()
class BoxInstDataPreprocessor(DetDataPreprocessor):
    """Compares colors in the training step, for pipelines without ``PrepareBoxTargets``.

    The arithmetic is that of mmdet's class of this name, from the normalized batch; the
    transform's is the original's, from the image. They differ by the rounding of normalization
    and in the color of padding (here the mean, there black).

    Args:
        mask_stride: the value of ``mask_head.mask_out_stride``.
        pairwise_size, pairwise_dilation: those of the mask head.
        pairwise_color_thresh: least similarity of an edge.
        bottom_pixels_removed: see :class:`~condinst.datasets.PrepareBoxTargets`.
        bgr_to_rgb: whether the batch is RGB; otherwise it is BGR, as images of 3 channels are
            loaded. Of others see :class:`~condinst.datasets.PrepareBoxTargets`.
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
        """A batch as mmdet's preprocessor makes it, whose training samples have edges."""
        data = super().forward(data, training)
        if not training:
            return data
        for image, sample in zip(data["inputs"], data["data_samples"], strict=True):
            objects = sample.gt_instances
            if isinstance(objects.get("masks"), SimilarColors):
                continue
            edges = self._edges(image, sample.metainfo).to(image.device)
            objects.pop("masks", None)
            objects.masks = SimilarColors(edges, self.mask_stride, len(objects))
        return data

    def _edges(self, image: Tensor, meta: dict) -> Tensor:
        colors = image * self.std + self.mean if self._enable_normalize else image
        if len(colors) != 3:
            colors = colors[:3] if len(colors) > 3 else colors[:1].expand(3, -1, -1)
        elif not self.is_rgb:
            colors = colors.flip(0)
        if self.value_range != 255:
            colors = (colors * (255.0 / self.value_range)).clamp(0, 255)
        means = F.avg_pool2d(colors[None].float(), self.mask_stride)[0]
        lab = to_lab(means.byte().permute(1, 2, 0).cpu().numpy())
        valid = valid_cells(
            (lab.shape[1], lab.shape[2]),
            self.mask_stride,
            meta["img_shape"][:2],
            meta.get("ori_shape", meta["img_shape"])[0],
            self.bottom_pixels_removed,
        )
        return alike_neighbors(
            lab,
            valid,
            size=self.pairwise_size,
            dilation=self.pairwise_dilation,
            color_thresh=self.pairwise_color_thresh,
        )
