"""Images: where they come from, how files are decoded, and how large they may be."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "ImageTooLargeError": "limit",
    "PixelFormat": "pixel_format",
    "max_pixels": "limit",
    "single_images": "sources",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
