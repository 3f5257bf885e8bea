"""Head of RTMDet-Ins: towers with norms of each level's own, box, class and dynamic network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.models.layers.transformer import inverse_sigmoid
from mmdet.models.utils import sigmoid_geometric_mean
from mmdet.structures.bbox import distance2bbox
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condinst.config.nodes import type_name
from condinst.models.heads.dense_head import DenseHead, check_sigmoid
from condinst.models.heads.local_tower import conv_at_points, is_local, run_tower
from condinst.models.heads.rtmdet_mask_head import RTMDetMaskBranch, RTMDetMaskHead
from condinst.models.losses.box_supervision import BoxSupervision
from condinst.models.losses.soft_label_losses import soft_label_losses
from condinst.models.structures import DensePredictions, GroundTruth, SoftAssignment
from condinst.models.task_modules.points import flatten_levels
from condinst.models.task_modules.soft_label_assigner import SoftLabelAssigner
from condinst.registry import MODELS, TASK_UTILS

__all__ = ["RTMDetInsSepBNHead"]


@MODELS.register_module()
class RTMDetInsSepBNHead(DenseHead):
    """Predict at every point a class, a box and the network of one instance.

    The arguments, the defaults and the names of the weights are those of mmdet's class.

    Args:
        num_classes: C, without background.
        in_channels: channels of the pyramid levels.
        feat_channels: channels of the towers.
        stacked_convs: convolutions in each tower.
        share_conv: whether the levels share the convolutions of the tower for class and box; the
            norms are each level's own. Those of the tower for the networks are never shared.
        with_objectness: whether an objectness is predicted, of which and the class score the
            geometric mean is taken.
        pred_kernel_size: side of the last convolutions.
        num_prototypes: channels of the mask features.
        dyconv_channels: hidden channels of the dynamic network.
        num_dyconvs: layers of the dynamic network.
        mask_loss_stride: input-image pixels per cell of the logits in the mask loss.
        anchor_generator: config of the points; one stride per pyramid level.
        bbox_coder: config of the coder between distances and boxes.
        loss_cls: config of a loss over labels and qualities, such as quality focal loss.
        loss_bbox, loss_mask: configs of the other losses.
        box_supervision: arguments of
            :class:`~condinst.models.losses.box_supervision.BoxSupervision`, with which masks are
            learned from boxes; None to learn them from masks.
        train_cfg: ``assigner``; ``pos_weight``, the weight of the positive points in the class
            loss, 1 where it is not above 0.
        test_cfg: see :func:`~condinst.models.postprocess.boxes.postprocess_boxes`.

    Raises:
        ValueError: ``loss_cls`` is not a sigmoid loss, the assigner is another, or
            ``mask_loss_stride`` does not divide the finest stride.
    """

    # Stored in checkpoints: mmdet's heads rename the keys of a checkpoint without a version.
    _version = 1

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        share_conv: bool = True,
        with_objectness: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        pred_kernel_size: int = 1,
        feat_channels: int = 256,
        stacked_convs: int = 4,
        num_prototypes: int = 8,
        dyconv_channels: int = 8,
        num_dyconvs: int = 3,
        mask_loss_stride: int = 4,
        anchor_generator: dict | None = None,
        bbox_coder: dict | None = None,
        loss_cls: dict | None = None,
        loss_bbox: dict | None = None,
        loss_mask: dict | None = None,
        conv_cfg: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        box_supervision: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg or _default_init_cfg(with_objectness))
        norm_cfg = norm_cfg or dict(type="BN", requires_grad=True)
        act_cfg = act_cfg or dict(type="SiLU", inplace=True)
        loss_cls = loss_cls or dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0)
        check_sigmoid(loss_cls, default=True)
        self.num_classes = num_classes
        self.with_objectness = with_objectness
        self.train_cfg = train_cfg or {}
        self.test_cfg = test_cfg
        self.prior_generator = TASK_UTILS.build(
            anchor_generator or dict(type="MlvlPointGenerator", offset=0, strides=[8, 16, 32])
        )
        self.strides = tuple(stride for stride, _ in self.prior_generator.strides)
        self.bbox_coder = TASK_UTILS.build(bbox_coder or dict(type="DistancePointBBoxCoder"))
        self.assigner = self._build_assigner()
        self.loss_cls = MODELS.build(loss_cls)
        self.loss_bbox = MODELS.build(loss_bbox or dict(type="GIoULoss", loss_weight=2.0))
        # the attribute names are those of mmdet's checkpoints
        branch = RTMDetMaskBranch(
            in_channels,
            feat_channels,
            len(self.strides),
            num_prototypes,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.mask_head = branch
        self.masks = RTMDetMaskHead(
            branch,
            num_layers=num_dyconvs,
            feat_channels=dyconv_channels,
            stride=self.strides[0],
            point_offset=self.prior_generator.offset,
            mask_loss_stride=mask_loss_stride,
            loss_mask=MODELS.build(
                loss_mask or dict(type="DiceLoss", loss_weight=2.0, eps=5e-6, reduction="mean")
            ),
            boxes=BoxSupervision.of(box_supervision, "model.bbox_head.box_supervision"),
        )
        self.num_params = self.masks.num_params

        def tower() -> nn.ModuleList:
            return nn.ModuleList(
                ConvModule(
                    in_channels if i == 0 else feat_channels,
                    feat_channels,
                    3,
                    padding=1,
                    conv_cfg=conv_cfg,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg,
                )
                for i in range(stacked_convs)
            )

        def last_convs(channels: int) -> nn.ModuleList:
            padding = pred_kernel_size // 2
            return nn.ModuleList(
                nn.Conv2d(feat_channels, channels, pred_kernel_size, padding=padding)
                for _ in self.strides
            )

        self.cls_convs: Any = nn.ModuleList(tower() for _ in self.strides)
        if share_conv:
            levels: list[Any] = list(self.cls_convs)
            for level in levels[1:]:
                for own, first in zip(level, levels[0], strict=True):
                    own.conv = first.conv
        # In mmdet, the two towers of a level are one, which it runs twice. It runs once here, and
        # its checkpoints have it under both names.
        self.reg_convs = nn.ModuleList(self.cls_convs)
        for module in self.cls_convs.modules():
            if isinstance(module, _BatchNorm) and module.momentum is not None:
                # that of two updates of the running averages from the same batch
                module.momentum = 1 - (1 - module.momentum) ** 2
        self.kernel_convs: Any = nn.ModuleList(tower() for _ in self.strides)
        self.rtm_cls = last_convs(num_classes)
        self.rtm_reg = last_convs(4)
        self.rtm_kernel: Any = last_convs(self.num_params)
        self.rtm_obj = last_convs(1) if with_objectness else nn.ModuleList()

    def _build_assigner(self) -> SoftLabelAssigner:
        settings = copy.deepcopy(dict(self.train_cfg.get("assigner") or {}))
        name = settings.pop("type", "DynamicSoftLabelAssigner")
        # Not by the registry: a class of this name in ours would be in the way of mmdet's heads.
        if type_name(name) != "DynamicSoftLabelAssigner":
            raise ValueError(
                f"model.train_cfg.assigner.type={name!r}: expected DynamicSoftLabelAssigner"
            )
        return SoftLabelAssigner(**settings)

    def forward(self, feats: Sequence[Tensor]) -> DensePredictions:
        """Predict at every point of all levels; there is no centerness.

        Args:
            feats: pyramid levels, each (B, in_channels, H_l, W_l), finest first.
        """
        cls_scores, bbox_preds, kernel_feats = [], [], []
        for i, (feat, stride) in enumerate(zip(feats, self.strides, strict=True)):
            shared = run_tower(self.cls_convs[i], feat)  # (B, feat_channels, H, W)
            # in evaluation, the tower runs at the points of instances only
            kernel_feat = feat if self._is_lazy(i) else run_tower(self.kernel_convs[i], feat)
            cls_score = self.rtm_cls[i](shared)
            if self.with_objectness:
                mean = sigmoid_geometric_mean(cls_score, self.rtm_obj[i](shared))
                cls_score = inverse_sigmoid(mean)
            cls_scores.append(cls_score)
            # float32: float16 cannot hold the pixels of a large image
            bbox_preds.append(F.relu(self.rtm_reg[i](shared)).float() * stride)
            kernel_feats.append(kernel_feat)
        return DensePredictions(cls_scores, bbox_preds, [], kernel_feats)

    def predict_params(
        self, dense: DensePredictions, img_inds: Tensor, point_inds: Tensor
    ) -> Tensor:
        """Compute the dynamic networks at a few points instead of on the whole maps.

        Args:
            dense: the head's predictions.
            img_inds: (N,) index of the image of each point.
            point_inds: (N,) index of each point among the points of all levels.

        Returns:
            (N, K) parameters of the dynamic networks.
        """
        start, orders, params = 0, [], []
        # Every level takes part, also one without a point: distributed training waits for the
        # gradient of every parameter.
        for i, level in enumerate(dense.param_feats):
            size = level.shape[2] * level.shape[3]
            order = ((point_inds >= start) & (point_inds < start + size)).nonzero().squeeze(1)
            inds = point_inds[order] - start
            tower = self.kernel_convs[i] if self._is_lazy(i) else ()
            params.append(conv_at_points(tower, self.rtm_kernel[i], level, img_inds[order], inds))
            orders.append(order)
            start += size
        return torch.cat(params)[torch.cat(orders).argsort()]

    def _is_lazy(self, i: int) -> bool:
        """Tell whether ``param_feats`` of a level are the pyramid's, before the tower."""
        return not self.training and is_local(self.kernel_convs[i], self.rtm_kernel[i])

    @property
    def controller_weights(self) -> int:
        """The number of products that make the parameters of one instance's network."""
        count = self.rtm_kernel[0].weight.numel()
        if self._is_lazy(0):  # the tower at 3 x 3 cells, or more, before the last convolution
            for i, module in enumerate(reversed(self.kernel_convs[0])):
                count += (2 * i + 1) ** 2 * module.conv.weight.numel()
        return count

    def param_convs(self) -> list[tuple[Sequence[Any], nn.Conv2d]]:
        """Return the layers from ``param_feats`` to the parameters: a tower and a last convolution.

        The list has one entry for each level. A tower is empty if it runs on the whole map.
        """
        return [
            (tower if self._is_lazy(i) else (), last)
            for i, (tower, last) in enumerate(zip(self.kernel_convs, self.rtm_kernel, strict=True))
        ]

    def param_maps(self, dense: DensePredictions) -> list[Tensor]:
        """Compute the dynamic networks at every point: (B, K, H, W) of each level."""
        return [
            conv(run_tower(self.kernel_convs[i], level) if self._is_lazy(i) else level)
            for i, (conv, level) in enumerate(zip(self.rtm_kernel, dense.param_feats, strict=True))
        ]

    def assign(
        self,
        dense: DensePredictions,
        points: Sequence[Tensor],
        ground_truths: Sequence[GroundTruth],
        pad_shapes: Sequence[tuple[int, int]],
    ) -> SoftAssignment:
        """Assign objects to points by the predictions.

        Args:
            dense: the head's predictions.
            points: per level, (P_l, 2) xy.
            ground_truths: one per image.
            pad_shapes: height and width of each image with its own padding, but without that to the
                size of the batch; the points beyond have no part in the training.
        """
        all_points = torch.cat(list(points))  # (P, 2)
        sizes = [level.shape[-2:] for level in dense.cls_scores]
        in_images = torch.stack(
            [
                torch.cat(self.prior_generator.valid_flags(sizes, shape, all_points.device))
                for shape in pad_shapes
            ]
        )  # (B, P)
        distances = flatten_levels(dense.bbox_preds).detach()  # (B, P, 4)
        assignment = self.assigner(
            flatten_levels(dense.cls_scores).detach(),
            distance2bbox(all_points, distances),
            all_points,
            self.point_strides(points),
            in_images,
            ground_truths,
        )
        pos_weight = self.train_cfg.get("pos_weight", -1)
        if pos_weight > 0:
            assignment.weights[assignment.img_inds, assignment.point_inds] = pos_weight
        return assignment

    def loss(
        self, dense: DensePredictions, assignment: SoftAssignment, points: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Compute the losses of :func:`~condinst.models.losses.soft_label_losses`.

        Args:
            dense: the head's predictions.
            assignment: their targets.
            points: per level, (P_l, 2) xy.
        """
        return soft_label_losses(
            dense,
            assignment,
            torch.cat(list(points)),
            loss_cls=self.loss_cls,
            loss_bbox=self.loss_bbox,
        )


def _default_init_cfg(with_objectness: bool) -> dict:
    # every score starts at 0.01, every side of a box one stride from its point
    score = dict(type="Normal", std=0.01, bias_prob=0.01)
    override = [
        dict(score, name="rtm_cls"),
        dict(type="Normal", name="rtm_reg", std=0.01, bias=1.0),
    ]
    if with_objectness:
        override.append(dict(score, name="rtm_obj"))
    return dict(type="Normal", layer="Conv2d", std=0.01, override=override)
