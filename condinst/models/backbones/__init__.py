"""Backbones that mmdet lacks."""

from condinst.models.backbones.interval_dcn_resnet import IntervalDCNResNet
from condinst.models.backbones.timm_backbone import TimmBackbone

__all__ = ["IntervalDCNResNet", "TimmBackbone"]
