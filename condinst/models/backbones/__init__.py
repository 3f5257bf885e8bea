"""Backbones that mmdet does not have."""

from condinst.models.backbones.cspnext import CSPNeXt
from condinst.models.backbones.interval_dcn_resnet import IntervalDCNResNet
from condinst.models.backbones.timm_backbone import TimmBackbone

__all__ = ["CSPNeXt", "IntervalDCNResNet", "TimmBackbone"]
