"""Prediction on large images by overlapping tiles: cut, predict and merge, with numpy alone."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Tiling": "tiling",
    "merge_views": "merging",
    "predict_by_tiles": "tiling",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
