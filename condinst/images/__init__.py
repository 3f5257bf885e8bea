"""Images: sources of images, decoding of files, pixel formats and the limit on size."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "ImageTooLargeError": "limit",
    "PixelFormat": "pixel_format",
    "max_pixels": "limit",
    "single_images": "sources",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.images.limit import ImageTooLargeError as ImageTooLargeError
    from condinst.images.limit import max_pixels as max_pixels
    from condinst.images.pixel_format import PixelFormat as PixelFormat
    from condinst.images.sources import single_images as single_images
else:
    __getattr__ = lazy_names(__name__, _MODULES)
