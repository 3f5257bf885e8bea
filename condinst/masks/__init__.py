"""Masks: crops, run-length encoding (RLE), polygons, resizing."""

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
__getattr__ = lazy_names(__name__, _MODULES)
