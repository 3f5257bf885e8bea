"""FCOS towers with the controller -> dense predictions (paper, Section 3.1; FCOS, Section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, Scale
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from condinst.models.losses.detection_losses import box_losses
from condinst.models.postprocess.boxes import postprocess_boxes
from condinst.models.structures import Assignment, DensePredictions, GroundTruth
from condinst.models.task_modules.assigner import PointAssigner
from condinst.models.task_modules.points import gather_patches
from condinst.registry import MODELS, TASK_UTILS

_REGRESS_RANGES = ((-1, 64), (64, 128), (128, 256), (256, 512), (512, 1e8))


@MODELS.register_module()
class CondInstBboxHead(BaseModule):
    """Predicts at every point a class, a box, a centerness and one instance's network.

    Args:
        num_classes: C, without background.
        in_channels: of the pyramid levels.
        num_params: K, parameters of one dynamic network; the mask head says how many it needs.
        feat_channels: of the towers.
        stacked_convs: convolutions in each tower.
        strides: of the pyramid levels, pixels.
        dcn_on_last_conv: whether each tower ends with a deformable convolution.
        conv_bias: whether the towers' convolutions have a bias; "auto" where no norm follows.
        regress_ranges: per level, smallest and largest distance it regresses, pixels.
        center_sampling: whether only points near an object's center are positive.
        center_sample_radius: half the side of that region, strides.
        norm_on_bbox: whether boxes are predicted in units of the stride (linear, not exponential).
        centerness_on_reg: whether centerness comes from the box tower instead of the class tower.
        loss_cls, loss_bbox, loss_centerness: configs of the losses.
        box_quality: what the centerness branch learns, "centerness" or "iou"; see
            :func:`~condinst.models.losses.detection_losses.box_losses`.
        bbox_coder: config of the coder between distances and boxes.
        train_cfg: not used; detectors hand it in.
        test_cfg: see :func:`~condinst.models.postprocess.boxes.postprocess_boxes`.
    """

    # Checkpoints without a version come from before mmdet 2.0, which had no CondInst.
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
        if not loss_cls.get("use_sigmoid", False):
            raise ValueError(
                f"bbox_head.loss_cls={dict(loss_cls)} must have use_sigmoid=True: the class scores "
                "have no background channel"
            )
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
        """Args:
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
            cls_feat = conv(cls_feat)
        for conv in self.reg_convs:
            reg_feat = conv(reg_feat)
        # float32: under fp16 autocast the exponential, or a long distance in pixels, overflows
        distances = scale(self.conv_reg(reg_feat)).float()
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
        """What the controller says at a few points.

        Args:
            dense: the head's predictions.
            img_inds: (N,).
            point_inds: (N,) among the points of all levels.

        Returns:
            (N, K) parameters of the dynamic networks.
        """
        patches = gather_patches(dense.param_feats, img_inds, point_inds)
        return F.conv2d(patches, self.controller.weight, self.controller.bias).flatten(1)

    def points(self, dense: DensePredictions) -> list[Tensor]:
        """Per level, (P_l, 2) xy of its points: the centers of its cells in input-image pixels."""
        first = dense.bbox_preds[0]
        sizes = [level.shape[-2:] for level in dense.cls_scores]
        return self.prior_generator.grid_priors(sizes, dtype=first.dtype, device=first.device)

    def point_strides(self, points: Sequence[Tensor]) -> Tensor:
        """(P,) stride of each point's level, levels one after the other."""
        return torch.cat(
            [p.new_full((len(p),), s) for p, s in zip(points, self.strides, strict=True)]
        )

    def assign(self, points: Sequence[Tensor], ground_truths: Sequence[GroundTruth]) -> Assignment:
        """Targets of every point; see :class:`~condinst.models.task_modules.PointAssigner`."""
        return self.assigner(points, self.strides, ground_truths)

    def loss(
        self, dense: DensePredictions, assignment: Assignment, points: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """See :func:`~condinst.models.losses.detection_losses.box_losses`."""
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

    def predict(
        self, dense: DensePredictions, img_shapes: Sequence[tuple[int, int]]
    ) -> list[InstanceData]:
        """Detections per image; see :func:`~condinst.models.postprocess.postprocess_boxes`."""
        points = self.points(dense)
        return [
            postprocess_boxes(
                dense, i, points, self.strides, self.bbox_coder, img_shape, self.test_cfg or {}
            )
            for i, img_shape in enumerate(img_shapes)
        ]


def _default_init_cfg() -> dict:
    # FCOS, Section 4: the class bias starts so that every score is 0.01
    return dict(
        type="Normal",
        layer="Conv2d",
        std=0.01,
        override=dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
    )
