"""The CondInst detector, which connects the stages."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from condinst.models.input_channels import adapt_when_loading
from condinst.models.postprocess.mask_quality import check_mask_quality, rescore
from condinst.models.postprocess.masks import postprocess_masks
from condinst.models.speed import autocast, compile_networks, to_channels_last
from condinst.models.structures import Assignment, DensePredictions, GroundTruth, Instances
from condinst.models.task_modules.ground_truth import prepare_ground_truth
from condinst.models.task_modules.points import gather_points
from condinst.models.task_modules.sampler import sample_positives
from condinst.registry import MODELS


@MODELS.register_module()
class CondInst(BaseDetector):
    """Detector for instance segmentation by conditional convolutions (Tian et al., ECCV 2020).

    Args:
        backbone, neck: configs of the modules that make the feature pyramid.
        bbox_head: config of :class:`~condinst.models.heads.bbox_head.CondInstBboxHead`.
        mask_head: config of :class:`~condinst.models.heads.mask_head.CondInstMaskHead`.
        semantic_head: config of :class:`~condinst.models.SemanticHead`, an auxiliary task of
            training; None for none. Its ``num_classes`` default to the box head's.
        train_cfg: passed to both heads.
        test_cfg: ``mask_thr``, from 0 to 1; ``mask_format``, see
            :func:`~condinst.models.postprocess.masks.postprocess_masks`; ``autocast_dtype``,
            "bfloat16" or "float16" for mixed precision; ``mask_quality``, "maskness" for scores
            times :func:`~condinst.models.postprocess.mask_quality.mask_quality`; and the keys of
            :func:`~condinst.models.postprocess.boxes.postprocess_boxes`.
        data_preprocessor: config of the module that turns images into a batch.
        channels_last: whether weights and activations use torch's channels-last memory format: the
            same answers up to rounding, faster on most processors.
        compile: whether ``torch.compile`` compiles backbone, neck and heads, at the first batch.

    Raises:
        ValueError: the two heads disagree on the parameters of a dynamic network, or
            ``mask_quality`` has another value.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        bbox_head: dict,
        mask_head: dict,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        semantic_head: dict | None = None,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg or {}
        check_mask_quality(self.test_cfg.get("mask_quality", "none"))
        self.backbone = MODELS.build(backbone)
        adapt_when_loading(self.backbone)
        self.neck = MODELS.build(neck)
        self.bbox_head, self.mask_head = self._build_heads(bbox_head, mask_head)
        if self.bbox_head.num_params != self.mask_head.num_params:
            raise ValueError(
                f"bbox_head.num_params={self.bbox_head.num_params}, but mask_head needs "
                f"{self.mask_head.num_params} for layers of {self.mask_head.channels} channels "
                "(mask_head.num_layers, .feat_channels and .mask_feature_head.out_channels)"
            )
        self.semantic_head = None
        if semantic_head:
            num_classes = self.bbox_head.num_classes
            self.semantic_head = MODELS.build({"num_classes": num_classes, **semantic_head})
        if channels_last:
            to_channels_last(self)
        if compile:
            compile_networks(self)

    def _build_heads(self, bbox_head: dict, mask_head: dict) -> tuple[Any, Any]:
        return self._build_head(bbox_head), self._build_head(mask_head)

    def _build_head(self, cfg: dict) -> Any:
        cfg = {
            **cfg,
            "train_cfg": copy.deepcopy(self.train_cfg),
            "test_cfg": copy.deepcopy(self.test_cfg),
        }
        # mmdet has heads of the same names. A config of another scope that names our detector means
        # our heads too.
        if cfg["type"] in MODELS.module_dict:
            cfg["type"] = f"condinst.{cfg['type']}"
        return MODELS.build(cfg)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Turn (B, C, H, W) normalized images into pyramid levels (B, C_l, H_l, W_l).

        The finest level comes first.
        """
        return self.neck(self.backbone(batch_inputs))

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample] | None = None
    ) -> tuple[Tensor, ...]:
        """Return the raw outputs: four dense predictions of every level, then the mask features."""
        feats = self.extract_feat(batch_inputs)
        dense = self.bbox_head(feats)
        params = self.bbox_head.param_maps(dense)  # (B, K, H, W) each
        flat = tuple(level for maps in (*dense[:3], params) for level in maps)
        return (*flat, self.mask_head.mask_feature_head(feats))

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample]
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            batch_inputs: (B, C, H, W) normalized, padded images.
            batch_data_samples: their ``gt_instances``.

        Returns:
            ``loss_cls``, ``loss_bbox``, ``loss_centerness``, ``loss_mask``; ``loss_semantic`` with
            a semantic head.
        """
        feats = self.extract_feat(batch_inputs)
        dense = self.bbox_head(feats)
        mask_feats = self.mask_head.mask_feature_head(feats)
        semantic_logits = self.semantic_head(feats) if self.semantic_head else None
        return self.loss_of(dense, mask_feats, batch_data_samples, semantic_logits)

    def loss_of(
        self,
        dense: DensePredictions,
        mask_feats: Tensor,
        batch_data_samples: Sequence[DetDataSample],
        semantic_logits: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses from the network's outputs, the second half of :meth:`loss`.

        Args:
            dense: predictions in training mode.
            mask_feats: (B, C, H, W).
            batch_data_samples: their ``gt_instances``.
            semantic_logits: (B, C, H, W) with a semantic head, else None.

        Returns:
            See :meth:`loss`.
        """
        semantic: dict = {}
        if self.semantic_head is not None and semantic_logits is not None:
            semantic["semantic_size"] = tuple(semantic_logits.shape[-2:])
            semantic["semantic_stride"] = self.semantic_head.stride
        ground_truths = self._ground_truths(
            mask_feats, batch_data_samples, self.mask_head.mask_out_stride, **semantic
        )
        points = self.bbox_head.points(dense)
        assignment = self.bbox_head.assign(points, ground_truths)
        losses = self.bbox_head.loss(dense, assignment, points)
        instances = self._training_instances(dense, assignment, points)
        losses.update(self.mask_head.loss(mask_feats, instances, ground_truths))
        if self.semantic_head is not None and semantic_logits is not None:
            targets = [gt.semantic for gt in ground_truths]
            losses.update(self.semantic_head.loss(semantic_logits, targets))
        return losses

    def _ground_truths(
        self,
        mask_feats: Tensor,
        batch_data_samples: Sequence[DetDataSample],
        stride: int,
        **more: Any,
    ) -> list[GroundTruth]:
        """Prepare the ground truth of each image for mask logits of a stride in the loss."""
        upsampling = self.mask_head.mask_feat_stride // stride
        height, width = (side * upsampling for side in mask_feats.shape[-2:])
        return [
            prepare_ground_truth(
                sample.gt_instances, mask_size=(height, width), mask_stride=stride, **more
            )
            for sample in batch_data_samples
        ]

    def _training_instances(
        self, dense: DensePredictions, assignment: Assignment, points: Sequence[Tensor]
    ) -> Instances:
        """Choose the positive points whose masks are trained."""
        positives = assignment.img_inds, assignment.point_inds
        quality = None
        if self.mask_head.topk_masks_per_img != -1:
            with torch.no_grad():
                # from (N, C) and (N, 1)
                best_class = gather_points(dense.cls_scores, *positives).amax(dim=1).sigmoid()
                centerness = gather_points(dense.centernesses, *positives).squeeze(1).sigmoid()
                quality = best_class * centerness  # (N,)
        chosen, counts = sample_positives(
            assignment.gt_inds,
            assignment.counts,
            quality=quality,
            max_masks=self.mask_head.max_masks_to_train,
            topk_masks=self.mask_head.topk_masks_per_img,
        )
        img_inds, point_inds = (inds[chosen] for inds in positives)
        return Instances(
            params=self.bbox_head.predict_params(dense, img_inds, point_inds),
            points=torch.cat(list(points))[point_inds],  # (N, 2)
            strides=self.bbox_head.point_strides(points)[point_inds],
            counts=counts,
            gt_inds=assignment.gt_inds[chosen],
        )

    def predict(
        self,
        batch_inputs: Tensor,
        batch_data_samples: list[DetDataSample],
        rescale: bool = True,
    ) -> list[DetDataSample]:
        """Predict the instances of a batch.

        Args:
            batch_inputs: (B, C, H, W) normalized, padded images.
            batch_data_samples: samples with the metainfo ``img_shape``, ``ori_shape`` and
                ``scale_factor``.
            rescale: whether to return boxes and masks at the original image's size instead of the
                input image's.

        Returns:
            The samples with ``pred_instances``, by falling score: ``bboxes`` (N, 4) xyxy,
            ``scores`` (N,), ``labels`` (N,), and ``masks`` in ``test_cfg.mask_format`` (see
            :func:`~condinst.models.postprocess.masks.postprocess_masks`; (N, H, W) bool by
            default).
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        with autocast(batch_inputs.device.type, self.test_cfg.get("autocast_dtype")):
            feats = self.extract_feat(batch_inputs)
            dense = self.bbox_head(feats)
            mask_feats = self.mask_head.mask_feature_head(feats)
            detections = self.bbox_head.predict(dense, [meta["img_shape"][:2] for meta in metas])
            instances = self._detected_instances(dense, detections)
        # per image (N_i, H', W')
        mask_logits = self.mask_head(mask_feats, instances).split(instances.counts)
        results = [
            self._finish(found, logits, meta, rescale)
            for found, logits, meta in zip(detections, mask_logits, metas, strict=True)
        ]
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _detected_instances(
        self, dense: DensePredictions, detections: Sequence[InstanceData]
    ) -> Instances:
        img_inds = [torch.full_like(found.labels, i) for i, found in enumerate(detections)]
        return Instances(
            params=self.bbox_head.predict_params(
                dense, torch.cat(img_inds), torch.cat([found.point_inds for found in detections])
            ),
            points=torch.cat([found.points for found in detections]),
            strides=torch.cat([found.strides for found in detections]),
            counts=[len(found) for found in detections],
        )

    def _finish(
        self, found: InstanceData, mask_logits: Tensor, meta: dict, rescale: bool
    ) -> InstanceData:
        """Add the masks to the detections of one image, at the size that is asked for."""
        img_shape = tuple(meta["img_shape"][:2])
        if self.test_cfg.get("mask_quality", "none") != "none":
            found, mask_logits = rescore(found, mask_logits, self.test_cfg["mask_thr"])
        bboxes = found.bboxes
        if rescale:
            # a pipeline without Resize sets no scale factor
            bboxes = bboxes / bboxes.new_tensor(meta.get("scale_factor", (1.0, 1.0))).repeat(2)
        masks = self._masks(mask_logits, meta, img_shape, rescale)
        return InstanceData(bboxes=bboxes, scores=found.scores, labels=found.labels, masks=masks)

    def _masks(
        self, mask_logits: Tensor, meta: dict, img_shape: tuple[int, int], rescale: bool
    ) -> Any:
        """Turn the (N, H', W') logits of one image into masks."""
        return postprocess_masks(
            mask_logits,
            stride=self.mask_head.mask_out_stride,
            img_shape=img_shape,
            out_shape=tuple(meta["ori_shape"][:2]) if rescale else img_shape,
            mask_thr=self.test_cfg["mask_thr"],
            mask_format=self.test_cfg.get("mask_format", "bool"),
        )
