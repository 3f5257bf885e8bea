"""Backbones that mmdet lacks."""

from .interval_dcn_resnet import IntervalDCNResNet
from .timm_backbone import TimmBackbone

__all__ = ["IntervalDCNResNet", "TimmBackbone"]
