"""Necks that mmdet lacks."""

from condinst.models.necks.bifpn import BiFPN

__all__ = ["BiFPN"]
