"""The channels and type of a model's images; conversion to them and to displayable images.

The module needs numpy alone, so that predictors without PyTorch can use it. Images of one channel
are (H, W), others (H, W, C). Three channels are red, green and blue; others are in the file's
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PixelFormat", "fit_channels", "fit_dtype", "to_display", "to_gray", "turn_upright"]

DTYPES = ("uint8", "uint16", "float32")

# ITU-R BT.601 in 15-bit fixed point, as OpenCV computes gray from 8-bit images.
_RED, _GREEN, _BLUE, _BITS = 9798, 19235, 3735, 15

# Values beyond these percentiles are displayed as black or white.
_DISPLAY_PERCENTILES = (0.1, 99.9)
_MAX_SAMPLES = 2**20  # values from which the percentiles are estimated


@dataclass(frozen=True)
class PixelFormat:
    """The format of a model's images before normalization.

    Attributes:
        channels: 1 for grayscale, 3 for colors; any other number for the file's own channels.
        dtype: "uint8"; "uint16"; or "float32", for stored values of any type.

    Raises:
        ValueError: ``channels`` is below 1, or ``dtype`` has another value.
    """

    channels: int = 3
    dtype: str = "uint8"

    def __post_init__(self) -> None:
        channels: Any = self.channels
        if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
            raise ValueError(f"channels={channels!r}: expected a whole number of 1 or more")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: expected one of {', '.join(DTYPES)}")

    def __str__(self) -> str:
        return f"{self.channels} channel{'s' * (self.channels > 1)} of {self.dtype}"

    @property
    def is_rgb8(self) -> bool:
        """Return whether images are 8-bit colors, the usual format."""
        return self == PixelFormat()

    @property
    def largest(self) -> int:
        """The largest value of a channel; 1 for float32, which has no largest."""
        return {"uint8": 255, "uint16": 65535, "float32": 1}[self.dtype]

    def fit(self, image: np.ndarray, *, alpha: bool = False) -> np.ndarray:
        """Convert an image to this format.

        Gray becomes three equal channels, colors become gray, and both drop alpha.

        Args:
            image: (H, W) or (H, W, C) of any type.
            alpha: whether the last channel is known to be alpha.

        Raises:
            ValueError: the image cannot be converted to this format.
        """
        if image.ndim == 2:
            image = image[:, :, None]
        if image.ndim != 3 or not image.size:
            raise ValueError(
                f"expected (height, width) or (height, width, channels), got {image.shape}"
            )
        # the type first: a refusal is cheap then, and gray of 16 bits is computed from 16 bits
        image = fit_channels(fit_dtype(image, self.dtype), self.channels, alpha=alpha)
        return image[:, :, 0] if self.channels == 1 else image

    def to_loaded(self, image: np.ndarray) -> np.ndarray:
        """Swap RGB and BGR, the order in transforms; other channels keep their order."""
        return image[:, :, ::-1] if self.channels == 3 else image


def fit_dtype(image: np.ndarray, dtype: str) -> np.ndarray:
    """Convert an image to a type.

    16-bit values keep their upper byte as uint8; float32 keeps all values unchanged.

    Raises:
        ValueError: the types cannot be converted, or a value is not finite.
    """
    found = image.dtype
    if found == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    if dtype == "float32":
        if not np.issubdtype(found, np.floating):
            return image.astype(np.float32)
        image = image.astype(np.float32, copy=False)
        if not np.isfinite(image).all():
            raise ValueError("some pixels are not finite (NaN, infinite, or beyond float32)")
        return image
    if image.dtype == dtype:
        return image
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    if image.dtype == np.uint8:
        raise ValueError("pixels of 8 bits, expected 16 (LoadImageFromFile's dtype='uint16')")
    raise ValueError(
        f"{found} pixels have no defined range: convert the file to 8 or 16 bit, or load all "
        "images with LoadImageFromFile's dtype='float32'"
    )


def fit_channels(image: np.ndarray, channels: int, *, alpha: bool = False) -> np.ndarray:
    """Convert an (H, W, F) image to (H, W, ``channels``); see :meth:`PixelFormat.fit`."""
    found = image.shape[2]
    if found == channels:
        return image
    if channels in (1, 3):
        if alpha and found in (2, 4):
            image = image[:, :, :-1]
        if image.shape[2] == channels:
            return image
        if channels == 3 and image.shape[2] == 1:
            return np.repeat(image, 3, axis=2)
        if channels == 1 and image.shape[2] == 3:
            return to_gray(image)[:, :, None]
    raise ValueError(f"{found} channel{'s' * (found > 1)}, expected {channels}")


def to_gray(image: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) RGB to (H, W) gray of the same type, by ITU-R BT.601.

    8-bit images give the bytes that OpenCV gives.
    """
    if image.dtype == np.float32:
        weights = np.array([_RED, _GREEN, _BLUE], np.float64) / 2**_BITS
        return (image @ weights).astype(np.float32)
    red, green, blue = (image[:, :, i].astype(np.uint32) for i in range(3))
    total = red * _RED + green * _GREEN + blue * _BLUE + 2 ** (_BITS - 1)
    return (total >> _BITS).astype(image.dtype)


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as its EXIF orientation says (1 to 8; others mean upright)."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def to_display(image: np.ndarray) -> np.ndarray:
    """Convert an image of any format to (H, W, 3) uint8 RGB for display.

    8-bit colors are returned unchanged. Of four or more channels, the first three are used; of two,
    the first. Values of other types than 8 bits are stretched between two percentiles.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    colors = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, :1]
    if colors.dtype == np.bool_:
        colors = fit_dtype(colors, "uint8")
    if colors.dtype != np.uint8:
        colors = _stretch(colors)
    return np.repeat(colors, 3, axis=2) if colors.shape[2] == 1 else colors


def _stretch(image: np.ndarray) -> np.ndarray:
    """Stretch the values to 8 bits, all channels equally, so that colors keep their hue."""
    values = image.reshape(-1)
    values = values[:: max(1, values.size // _MAX_SAMPLES)].astype(np.float32)
    low, high = np.percentile(values, _DISPLAY_PERCENTILES) if values.size else (0.0, 1.0)
    if high <= low and image.dtype == np.uint16:  # a uniform image keeps its brightness
        return (image >> 8).astype(np.uint8)
    scaled = (image.astype(np.float32) - low) * (255.0 / max(high - low, 1e-12))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
