"""Box head: FCOS towers and the controller (paper, Section 3.1; FCOS, Section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, Scale
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from torch import Tensor, nn

from condinst.models.heads.dense_head import DenseHead, check_sigmoid
from condinst.models.losses.detection_losses import box_losses
from condinst.models.structures import Assignment, DensePredictions, GroundTruth
from condinst.models.task_modules.assigner import PointAssigner
from condinst.models.task_modules.points import gather_patches
from condinst.registry import MODELS, TASK_UTILS

_REGRESS_RANGES = ((-1, 64), (64, 128), (128, 256), (256, 512), (512, 1e8))


@MODELS.register_module()
class CondInstBboxHead(DenseHead):
    """Predict at every point a class, a box, a centerness and the network of one instance.

    Args:
        num_classes: C, without background.
        in_channels: channels of the pyramid levels.
        num_params: K, parameters of one dynamic network; must equal the mask head's
            ``num_params``.
        feat_channels: channels of the towers.
        stacked_convs: convolutions in each tower.
        strides: stride of each pyramid level, pixels.
        dcn_on_last_conv: whether each tower ends with a deformable convolution.
        conv_bias: whether the towers' convolutions have a bias; "auto" for a bias where no norm
            follows.
        regress_ranges: per level, smallest and largest distance it regresses, pixels.
        center_sampling: whether only points near an object's center are positive.
        center_sample_radius: half the side of that center region, strides.
        norm_on_bbox: whether boxes are predicted in units of the stride (linear, not exponential).
        centerness_on_reg: whether centerness comes from the box tower instead of the class tower.
        loss_cls, loss_bbox, loss_centerness: configs of the losses. ``loss_cls`` may be
            ``QualityFocalLoss``, with which class scores learn the IoU of the box.
        box_quality: target of the centerness branch, "centerness" or "iou"; see
            :func:`~condinst.models.losses.detection_losses.box_losses`.
        bbox_coder: config of the coder between distances and boxes.
        train_cfg: not used; detectors pass it.
        test_cfg: see :func:`~condinst.models.postprocess.boxes.postprocess_boxes`.

    Raises:
        ValueError: ``regress_ranges`` and ``strides`` differ in length, ``box_quality`` has another
            value, or ``loss_cls`` is not a sigmoid loss.
    """

    # Stored in checkpoints: mmdet's heads rename the keys of a checkpoint without a version.
    _version = 1

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_params: int = 169,
        feat_channels: int = 256,
        stacked_convs: int = 4,
        strides: Sequence[int] = (8, 16, 32, 64, 128),
        dcn_on_last_conv: bool = False,
        conv_bias: bool | str = "auto",
        regress_ranges: Sequence[tuple[float, float]] = _REGRESS_RANGES,
        center_sampling: bool = False,
        center_sample_radius: float = 1.5,
        norm_on_bbox: bool = False,
        centerness_on_reg: bool = False,
        loss_cls: dict | None = None,
        loss_bbox: dict | None = None,
        loss_centerness: dict | None = None,
        box_quality: str = "centerness",
        bbox_coder: dict | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg or _default_init_cfg())
        if len(regress_ranges) != len(strides):
            raise ValueError(
                f"bbox_head.regress_ranges has {len(regress_ranges)} entries, but "
                f"bbox_head.strides has {len(strides)}: one range per pyramid level is needed"
            )
        if box_quality not in ("centerness", "iou"):
            raise ValueError(
                f"bbox_head.box_quality={box_quality!r}: expected 'centerness' or 'iou'"
            )
        self.box_quality = box_quality
        self.num_classes = num_classes
        self.num_params = num_params
        self.strides = tuple(strides)
        self.norm_on_bbox = norm_on_bbox
        self.centerness_on_reg = centerness_on_reg
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg
        self.prior_generator = MlvlPointGenerator(list(strides))
        self.bbox_coder = TASK_UTILS.build(bbox_coder or dict(type="DistancePointBBoxCoder"))
        self.assigner = PointAssigner(
            num_classes=num_classes,
            regress_ranges=tuple((low, high) for low, high in regress_ranges),
            center_radius=center_sample_radius if center_sampling else None,
        )
        loss_cls = loss_cls or dict(type="FocalLoss", use_sigmoid=True)
        check_sigmoid(loss_cls, default=False)
        self.loss_cls = MODELS.build(loss_cls)
        self.loss_bbox = MODELS.build(loss_bbox or dict(type="IoULoss"))
        self.loss_centerness = MODELS.build(
            loss_centerness or dict(type="CrossEntropyLoss", use_sigmoid=True)
        )

        def tower() -> nn.ModuleList:
            convs = nn.ModuleList()
            for i in range(stacked_convs):
                deformable = dcn_on_last_conv and i == stacked_convs - 1
                convs.append(
                    ConvModule(
                        in_channels if i == 0 else feat_channels,
                        feat_channels,
                        3,
                        padding=1,
                        conv_cfg=dict(type="DCNv2") if deformable else conv_cfg,
                        norm_cfg=norm_cfg or dict(type="GN", num_groups=32, requires_grad=True),
                        bias=conv_bias,
                    )
                )
            return convs

        self.cls_convs = tower()
        self.reg_convs = tower()
        self.conv_cls = nn.Conv2d(feat_channels, num_classes, 3, padding=1)
        self.conv_reg = nn.Conv2d(feat_channels, 4, 3, padding=1)
        self.conv_centerness = nn.Conv2d(feat_channels, 1, 3, padding=1)
        self.scales = nn.ModuleList(Scale(1.0) for _ in strides)
        self.controller = nn.Conv2d(feat_channels, num_params, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> DensePredictions:
        """Predict at every point of all levels.

        Args:
            feats: pyramid levels, each (B, in_channels, H_l, W_l), finest first.
        """
        levels = [
            self._forward_level(*level)
            for level in zip(feats, self.scales, self.strides, strict=True)
        ]
        return DensePredictions(*(list(maps) for maps in zip(*levels, strict=True)))

    def _forward_level(self, feat: Tensor, scale: Scale, stride: int) -> tuple[Tensor, ...]:
        cls_feat = reg_feat = feat
        for conv in self.cls_convs:
            cls_feat = conv(cls_feat)  # (B, feat_channels, H, W)
        for conv in self.reg_convs:
            reg_feat = conv(reg_feat)  # (B, feat_channels, H, W)
        # float32: under fp16 autocast the exponential, or a long distance in pixels, overflows
        distances = scale(self.conv_reg(reg_feat)).float()  # (B, 4, H, W)
        if self.norm_on_bbox:
            distances = distances.clamp(min=0)
            if not self.training:
                distances = distances * stride
        else:
            distances = distances.exp()
        centerness = self.conv_centerness(reg_feat if self.centerness_on_reg else cls_feat)
        return self.conv_cls(cls_feat), distances, centerness, reg_feat

    def predict_params(
        self, dense: DensePredictions, img_inds: Tensor, point_inds: Tensor
    ) -> Tensor:
        """Run the controller at a few points instead of on the whole map.

        Args:
            dense: the head's predictions.
            img_inds: (N,) index of the image of each point.
            point_inds: (N,) index of each point among the points of all levels.

        Returns:
            (N, K) parameters of the dynamic networks.
        """
        # the 3x3 convolution without padding turns each patch into one cell
        patches = gather_patches(dense.param_feats, img_inds, point_inds)  # (N, X, 3, 3)
        return F.conv2d(patches, self.controller.weight, self.controller.bias).flatten(1)

    @property
    def controller_weights(self) -> int:
        """The number of products that make the parameters of one instance's network."""
        return self.controller.weight.numel()

    def param_convs(self) -> list[tuple[Sequence[Any], nn.Conv2d]]:
        """Return the layers from ``param_feats`` to the parameters: a tower and a last convolution.

        The list has one entry, because all levels share the controller.
        """
        return [((), self.controller)]

    def param_maps(self, dense: DensePredictions) -> list[Tensor]:
        """Run the controller at every point: (B, K, H, W) of each level."""
        return [self.controller(level) for level in dense.param_feats]

    def assign(self, points: Sequence[Tensor], ground_truths: Sequence[GroundTruth]) -> Assignment:
        """Assign a target to every point with :class:`~condinst.models.task_modules.PointAssigner`.

        Args:
            points: per level, (P_l, 2) xy.
            ground_truths: one per image.
        """
        return self.assigner(points, self.strides, ground_truths)

    def loss(
        self, dense: DensePredictions, assignment: Assignment, points: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Compute the losses of :func:`~condinst.models.losses.detection_losses.box_losses`.

        Args:
            dense: the head's predictions in training mode.
            assignment: their targets.
            points: per level, (P_l, 2) xy.
        """
        scales = self.point_strides(points)
        if not self.norm_on_bbox:
            scales = torch.ones_like(scales)
        return box_losses(
            dense,
            assignment,
            torch.cat(list(points)),
            scales,
            loss_cls=self.loss_cls,
            loss_bbox=self.loss_bbox,
            loss_centerness=self.loss_centerness,
            bbox_coder=self.bbox_coder,
            box_quality=self.box_quality,
        )


def _default_init_cfg() -> dict:
    # FCOS, Section 4: the class bias starts such that every score is 0.01
    return dict(
        type="Normal",
        layer="Conv2d",
        std=0.01,
        override=dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
    )
