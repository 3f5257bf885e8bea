"""RTMDet-Ins: CondInst's dynamic masks on RTMDet (Lyu et al., 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.dist import get_world_size
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn

from condinst.models.condinst import CondInst
from condinst.models.heads.rtmdet_head import RTMDetInsSepBNHead
from condinst.models.postprocess.logit_masks import postprocess_logit_masks, resized_shape
from condinst.models.structures import DensePredictions, Instances
from condinst.registry import MODELS

__all__ = ["RTMDet"]


@MODELS.register_module()
class RTMDet(CondInst):
    """RTMDet-Ins, with the names and weights of mmdet's detector.

    Images are padded to a multiple of the coarsest stride, which the neck needs, if the data
    preprocessor does not say otherwise.

    Args:
        backbone, neck: configs of the modules that make the feature pyramid.
        bbox_head: config of :class:`~condinst.models.RTMDetInsSepBNHead`.
        train_cfg: passed to the head.
        test_cfg: as for :class:`~condinst.models.CondInst`; mmdet's ``mask_thr_binary`` may stand
            for ``mask_thr``, which is 0.5 by default.
        data_preprocessor: config of the module that turns images into a batch.
        use_syncbn: whether batch norms average over the processes of a training on GPUs.
        channels_last, compile: see :class:`~condinst.models.CondInst`.

    Raises:
        ValueError: ``bbox_head`` is another head.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        bbox_head: dict,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        use_syncbn: bool = True,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        test_cfg = dict(test_cfg or {})
        test_cfg.setdefault("mask_thr", test_cfg.get("mask_thr_binary", 0.5))
        super().__init__(
            backbone,
            neck,
            bbox_head,
            mask_head={},
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
            channels_last=channels_last,
            compile=compile,
        )
        if getattr(self.data_preprocessor, "pad_size_divisor", None) == 1:
            self.data_preprocessor.pad_size_divisor = max(self.bbox_head.strides)
        if get_world_size() > 1:
            if not torch.cuda.is_available():
                revert_sync_batchnorm(self)  # torch has none for CPUs
            elif use_syncbn:
                nn.SyncBatchNorm.convert_sync_batchnorm(self)

    def _build_heads(self, bbox_head: dict, mask_head: dict) -> tuple[Any, Any]:
        head = self._build_head(bbox_head)
        if not isinstance(head, RTMDetInsSepBNHead):
            raise ValueError(
                f"model.bbox_head.type={bbox_head['type']!r}: expected RTMDetInsSepBNHead, the "
                "head of RTMDet-Ins; without masks, set model.type='mmdet.RTMDet'"
            )
        return head, head.masks

    def loss_of(
        self,
        dense: DensePredictions,
        mask_feats: Tensor,
        batch_data_samples: Sequence[DetDataSample],
        semantic_logits: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute ``loss_cls``, ``loss_bbox`` and ``loss_mask`` from the network's outputs.

        Args:
            dense: the predictions.
            mask_feats: (B, C, H, W).
            batch_data_samples: their ``gt_instances``, and the metainfo ``pad_shape``.
            semantic_logits: not used.
        """
        ground_truths = self._ground_truths(
            mask_feats,
            batch_data_samples,
            self.mask_head.mask_loss_stride,
            stride_key="model.bbox_head.mask_loss_stride",
        )
        points = self.bbox_head.points(dense)
        pad_shapes = [
            sample.metainfo.get("pad_shape", sample.metainfo.get("img_shape"))[:2]
            for sample in batch_data_samples
        ]
        assignment = self.bbox_head.assign(dense, points, ground_truths, pad_shapes)
        losses = self.bbox_head.loss(dense, assignment, points)
        instances = Instances(
            params=self.bbox_head.predict_params(dense, assignment.img_inds, assignment.point_inds),
            points=torch.cat(points)[assignment.point_inds],
            strides=self.bbox_head.point_strides(points)[assignment.point_inds],
            counts=assignment.counts,
            gt_inds=assignment.gt_inds,
        )
        losses.update(self.mask_head.loss(mask_feats, instances, ground_truths))
        return losses

    def _masks(
        self, mask_logits: Tensor, meta: dict, img_shape: tuple[int, int], rescale: bool
    ) -> Any:
        stride = self.mask_head.mask_out_stride
        height, width = mask_logits.shape[-2:]
        resized, out_shape = (height * stride, width * stride), img_shape
        if rescale:
            out_shape = tuple(meta["ori_shape"][:2])
            factors = meta.get("scale_factor", (1.0, 1.0))
            resized = resized_shape(resized, out_shape, factors)
        return postprocess_logit_masks(
            mask_logits,
            stride=stride,
            resized=resized,
            out_shape=out_shape,
            mask_thr=self.test_cfg["mask_thr"],
            mask_format=self.test_cfg.get("mask_format", "bool"),
        )
