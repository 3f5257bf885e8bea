"""Masks: crops, run-length encoding (RLE), polygons, resizing."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Crop": "crop",
    "CropMasks": "crop_masks",
    "checked_rle": "rle",
    "draw_crop": "resize",
    "encode_crop": "rle",
    "polygons_to_rle": "polygon_rle",
    "trace": "polygons",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.masks.crop import Crop as Crop
    from condinst.masks.crop_masks import CropMasks as CropMasks
    from condinst.masks.polygon_rle import polygons_to_rle as polygons_to_rle
    from condinst.masks.polygons import trace as trace
    from condinst.masks.resize import draw_crop as draw_crop
    from condinst.masks.rle import checked_rle as checked_rle
    from condinst.masks.rle import encode_crop as encode_crop
else:
    __getattr__ = lazy_names(__name__, _MODULES)
