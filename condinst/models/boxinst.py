"""BoxInst: masks learned from boxes (Tian, Shen, Wang and Chen, CVPR 2021).

The network is that of CondInst; a projection and a pairwise loss replace the mask loss.

Shapes: E neighbors of a cell.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from condinst.models.condinst import CondInst
from condinst.models.data_preprocessor import DetDataPreprocessor
from condinst.models.heads.bbox_head import CondInstBboxHead
from condinst.models.heads.mask_head import CondInstMaskHead
from condinst.models.losses.box_supervision import BoxSupervision
from condinst.registry import MODELS
from condinst.targets.color_similarity import (
    compute_pairwise_edges,
    to_lab,
    valid_cells,
)
from condinst.targets.target_types import SampledMasks, SimilarColors


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
        pairwise_size, pairwise_dilation, pairwise_weight, warmup_iters, warmup_start: see
            :class:`~condinst.models.losses.box_supervision.BoxSupervision`.
        pseudo_weight, affinity_weight: likewise.
        kwargs: see :class:`~condinst.models.heads.mask_head.CondInstMaskHead`.
    """

    def __init__(
        self,
        *args,
        pairwise_size: int = 3,
        pairwise_dilation: int = 2,
        pairwise_weight: float = 1.0,
        warmup_iters: int = 10000,
        warmup_start: int = 0,
        pseudo_weight: float = 0.5,
        affinity_weight: float = 0.1,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.boxes = BoxSupervision(
            pairwise_size,
            pairwise_dilation,
            pairwise_weight,
            warmup_iters,
            warmup_start,
            pseudo_weight,
            affinity_weight,
        )


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
            masks = objects.get("masks")
            mixed = isinstance(masks, SampledMasks) and masks.box_only is not None
            if isinstance(masks, SimilarColors) or mixed:
                continue  # PrepareBoxTargets or PrepareMixedTargets has done it
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
