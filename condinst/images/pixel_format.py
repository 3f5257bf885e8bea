"""What the pixels of a model's images are: how many channels, of what type; and how to show them.

numpy alone, so that predictors without PyTorch have it too. Images of one channel are (H, W),
others (H, W, C). Three channels are red, green and blue; others are in the file's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PixelFormat", "fit_channels", "fit_dtype", "to_display", "to_gray", "turn_upright"]

DTYPES = ("uint8", "uint16", "float32")

# ITU-R BT.601 in 15 bits, as OpenCV has it for 8-bit images.
_RED, _GREEN, _BLUE, _BITS = 9798, 19235, 3735, 15

# What is brighter or darker than all but so many percent is shown as white or black.
_SHOWN_PERCENTILES = (0.1, 99.9)
_MOST_SAMPLED = 2**20


@dataclass(frozen=True)
class PixelFormat:
    """What a model's images are, before normalization.

    Attributes:
        channels: 1 for grayscale, 3 for colors; any other number stands for the file's own.
        dtype: "uint8"; "uint16"; or "float32", for values of any type as they are stored.

    Raises:
        ValueError: a value is another one.
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
        """Whether images are 8-bit colors, as nearly all are."""
        return self == PixelFormat()

    @property
    def largest(self) -> int:
        """The largest value of a channel; 1 where there is no largest."""
        return {"uint8": 255, "uint16": 65535, "float32": 1}[self.dtype]

    def fit(self, image: np.ndarray, *, alpha: bool = False) -> np.ndarray:
        """An image in this format.

        Gray becomes three equal channels, colors become gray, and alpha is left out for them.

        Args:
            image: (H, W) or (H, W, C) of any type.
            alpha: whether the last channel is known to be alpha.

        Raises:
            ValueError: the image cannot become one of this format.
        """
        if image.ndim == 2:
            image = image[:, :, None]
        if image.ndim != 3 or not image.size:
            raise ValueError(
                f"expected (height, width) or (height, width, channels), got {image.shape}"
            )
        # types first: refusing costs nothing then, and gray of 16 bits is taken of 16 bits
        image = fit_channels(fit_dtype(image, self.dtype), self.channels, alpha=alpha)
        return image[:, :, 0] if self.channels == 1 else image

    def to_loaded(self, image: np.ndarray) -> np.ndarray:
        """The image as transforms have it, blue first; and back."""
        return image[:, :, ::-1] if self.channels == 3 else image


def fit_dtype(image: np.ndarray, dtype: str) -> np.ndarray:
    """The image with values of a type.

    16-bit values keep their upper byte as uint8; as float32, all values stay what they are.

    Raises:
        ValueError: there is no rule for it, or a value is not finite.
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
    """An (H, W, F) image with ``channels`` channels; see :meth:`PixelFormat.fit`."""
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
    """(H, W, 3) RGB -> (H, W) of the same type, by ITU-R BT.601.

    8-bit images give OpenCV's bytes.
    """
    if image.dtype == np.float32:
        weights = np.array([_RED, _GREEN, _BLUE], np.float64) / 2**_BITS
        return (image @ weights).astype(np.float32)
    red, green, blue = (image[:, :, i].astype(np.uint32) for i in range(3))
    total = red * _RED + green * _GREEN + blue * _BLUE + 2 ** (_BITS - 1)
    return (total >> _BITS).astype(image.dtype)


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """The image as EXIF's orientation (1 to 8; others mean upright) wants it shown."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def to_display(image: np.ndarray) -> np.ndarray:
    """An image of any format to look at, (H, W, 3) uint8 RGB.

    8-bit colors are returned as they are. Of four and more channels the first three are shown, of
    two the first. Other types than 8 bit are stretched between their percentiles.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    shown = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, :1]
    if shown.dtype == np.bool_:
        shown = fit_dtype(shown, "uint8")
    if shown.dtype != np.uint8:
        shown = _stretched(shown)
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


def _stretched(image: np.ndarray) -> np.ndarray:
    """The same stretch for all channels, so that colors keep their hue."""
    values = image.reshape(-1)
    values = values[:: max(1, values.size // _MOST_SAMPLED)].astype(np.float32)
    low, high = np.percentile(values, _SHOWN_PERCENTILES) if values.size else (0.0, 1.0)
    if high <= low and image.dtype == np.uint16:  # nothing to see but how bright it is
        return (image >> 8).astype(np.uint8)
    scaled = (image.astype(np.float32) - low) * (255.0 / max(high - low, 1e-12))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
