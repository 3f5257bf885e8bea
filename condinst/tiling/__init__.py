"""Large images by overlapping tiles: cutting, predicting and merging, by numpy alone."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Tiling": "tiling",
    "merge_views": "merging",
    "predict_by_tiles": "tiling",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
