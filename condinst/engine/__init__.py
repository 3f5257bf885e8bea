"""Hooks that mmengine lacks."""

from condinst.engine.curve_hook import CurveHook
from condinst.engine.picture_hook import PictureHook

__all__ = ["CurveHook", "PictureHook"]
