"""The settings of a detector that the graphs of an exported file contain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from condinst.models import RTMDet

__all__ = ["BoxSettings", "MaskSettings", "PointConv"]

# Activations that the graphs can write, by the name of their class.
_ACTIVATIONS = {"ReLU": "relu", "SiLU": "silu", "Swish": "silu"}


@dataclass(frozen=True)
class BoxSettings:
    """The settings of ``test_cfg`` and of the box head that the graph contains.

    The attributes are as for :func:`condinst.models.postprocess.boxes.postprocess_boxes`;
    ``nms_pre`` is -1 for all pairs. ``point_offset`` is the place of a cell's point in the cell,
    from 0 (its corner) to 1.
    """

    num_classes: int
    strides: tuple[int, ...]
    point_offset: float
    score_thr: float
    nms_pre: int
    min_bbox_size: float
    iou_threshold: float
    class_agnostic: bool
    max_per_img: int
    threshold_with_centerness: bool
    clip_after_nms: bool
    sqrt_scores: bool

    @classmethod
    def from_model(cls, model: Any) -> BoxSettings:
        """Read the settings of a detector.

        Raises:
            ValueError: exported files do not support a setting of ``test_cfg`` or of the box head.
        """
        cfg = model.bbox_head.test_cfg or {}
        nms = dict(cfg.get("nms") or {})
        kind = nms.pop("type", "nms")
        if kind != "nms" or set(nms) - {"iou_threshold", "class_agnostic"}:
            raise ValueError(
                f"model.test_cfg.nms={dict(cfg['nms'])}: expected dict(type='nms', "
                "iou_threshold=NUMBER), the only suppression of exported models"
            )
        if not cfg.get("max_per_img", -1) > 0:
            raise ValueError(
                f"model.test_cfg.max_per_img={cfg.get('max_per_img')}: expected 1 or more"
            )
        coder = model.bbox_head.bbox_coder
        if type(coder).__name__ != "DistancePointBBoxCoder" or not coder.clip_border:
            raise ValueError(
                f"model.bbox_head.bbox_coder={type(coder).__name__}: expected "
                "DistancePointBBoxCoder(clip_border=True), the only coder of exported models"
            )
        return cls(
            num_classes=model.bbox_head.num_classes,
            strides=tuple(model.bbox_head.strides),
            point_offset=float(model.bbox_head.prior_generator.offset),
            score_thr=float(cfg.get("score_thr", 0)),
            nms_pre=int(cfg.get("nms_pre", -1)),
            min_bbox_size=float(cfg.get("min_bbox_size", -1)),
            iou_threshold=float(nms["iou_threshold"]),
            class_agnostic=bool(nms.get("class_agnostic", False)),
            max_per_img=int(cfg["max_per_img"]),
            threshold_with_centerness=bool(cfg.get("threshold_with_centerness", False)),
            clip_after_nms=bool(cfg.get("clip_after_nms", False)),
            sqrt_scores=bool(cfg.get("sqrt_scores", False)),
        )


@dataclass(frozen=True)
class PointConv:
    """A convolution that runs at the points of the detections only.

    Attributes:
        weight: (Y, X, k, k) with an odd k, for X channels in and Y channels out.
        bias: (Y,).
        activation: "relu", "silu" or None.
    """

    weight: np.ndarray
    bias: np.ndarray
    activation: str | None = None

    @classmethod
    def of(cls, conv: nn.Conv2d, activation: str | None = None) -> PointConv:
        """Read the weights of a module."""
        weight = conv.weight.detach().float().cpu().numpy()
        bias = np.zeros(len(weight), np.float32)
        if conv.bias is not None:
            bias = conv.bias.detach().float().cpu().numpy()
        return cls(weight, bias, activation)

    @property
    def kernel_size(self) -> int:
        """The side k of the kernel."""
        return self.weight.shape[-1]


@dataclass(frozen=True)
class MaskSettings:
    """The settings of the mask head that the graph contains.

    Attributes:
        channels: channels of the dynamic network, see
            :func:`condinst.models.dynamic_conv.layer_channels`.
        feat_stride, out_stride: strides of the mask features and of the logits, pixels.
        size_of_interest: unit of the relative coordinates, in strides of the detection's level.
        mask_thr: a pixel belongs to the mask if its score exceeds this.
        param_convs: the convolutions from ``param_feats`` to the parameters of the dynamic
            networks: one sequence for all levels, or one for each.
        point_shift: what is added to the points for the relative coordinates, pixels.
        enlarge_logits: whether logits are enlarged before they become scores, as in RTMDet-Ins.
    """

    channels: tuple[int, ...]
    feat_stride: int
    out_stride: int
    size_of_interest: int
    mask_thr: float
    param_convs: tuple[tuple[PointConv, ...], ...]
    point_shift: float = 0.0
    enlarge_logits: bool = False

    @classmethod
    def from_model(cls, model: Any) -> MaskSettings:
        """Read the settings of a detector.

        Raises:
            ValueError: exported files do not support an activation of the head, or
                ``test_cfg.mask_quality``.
        """
        head = model.mask_head
        if (quality := model.test_cfg.get("mask_quality", "none")) != "none":
            raise ValueError(
                f"model.test_cfg.mask_quality={quality!r}: expected 'none', the only one of "
                "exported models"
            )
        is_rtmdet = isinstance(model, RTMDet)
        return cls(
            channels=tuple(head.channels),
            feat_stride=head.mask_feat_stride,
            out_stride=head.mask_out_stride,
            size_of_interest=head.size_of_interest,
            mask_thr=float(model.test_cfg["mask_thr"]),
            param_convs=tuple(
                (*map(_tower_conv, tower), PointConv.of(last))
                for tower, last in model.bbox_head.param_convs()
            ),
            point_shift=(0.5 - head.point_offset) * head.mask_feat_stride if is_rtmdet else 0.0,
            enlarge_logits=is_rtmdet,
        )

    @property
    def reach(self) -> int:
        """The number of cells around a point that its parameters depend on, in each direction."""
        return sum(conv.kernel_size // 2 for conv in self.param_convs[0])


def _tower_conv(module: Any) -> PointConv:
    """Read one layer of a tower, with its norm folded."""
    conv = module.conv
    if module.with_norm and not isinstance(module.norm, nn.Identity):
        conv = fuse_conv_bn_eval(conv, module.norm)
    activation = None
    if module.with_activation:
        name = type(module.activate).__name__
        if name not in _ACTIVATIONS:
            raise ValueError(
                f"model.bbox_head.act_cfg.type={name!r}: expected one of "
                f"{', '.join(_ACTIVATIONS)}, the only activations of exported heads"
            )
        activation = _ACTIVATIONS[name]
    return PointConv.of(conv, activation)
