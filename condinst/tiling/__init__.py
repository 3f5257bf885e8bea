"""Prediction on large images by overlapping tiles: cut, predict and merge, with numpy alone."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Tiling": "tiling",
    "merge_views": "merging",
    "predict_by_tiles": "tiling",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.tiling.merging import merge_views as merge_views
    from condinst.tiling.tiling import Tiling as Tiling
    from condinst.tiling.tiling import predict_by_tiles as predict_by_tiles
else:
    __getattr__ = lazy_names(__name__, _MODULES)
