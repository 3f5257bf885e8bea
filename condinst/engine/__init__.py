"""Hooks that mmengine lacks."""

from condinst.engine.curve_hook import CurveHook

__all__ = ["CurveHook"]
