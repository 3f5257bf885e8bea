"""Images: sources of images, decoding of files, pixel formats and the limit on size."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "ImageTooLargeError": "limit",
    "PixelFormat": "pixel_format",
    "max_pixels": "limit",
    "single_images": "sources",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
