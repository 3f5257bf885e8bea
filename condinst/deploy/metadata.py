"""Read the metadata of exported files, which :mod:`condinst.export.write_metadata` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from condinst.images.pixel_format import DTYPES, PixelFormat

__all__ = ["FileInfo", "ResizeInfo", "decode"]

PREFIX = "condinst."
FILTERS: dict[str, tuple[str, ...]] = {
    "pillow": ("nearest", "bilinear", "bicubic", "box", "lanczos", "hamming"),
    "cv2": ("bilinear",),  # its other filters have no equivalent in pillow
}


@dataclass(frozen=True)
class ResizeInfo:
    """The settings of mmdet's ``Resize`` that images are resized by for the detector.

    Attributes:
        scale: two sides that the image is fitted into if ``keep_ratio``, else width and height;
            None if ``scale_factor`` is given.
        keep_ratio: whether the ratio of the sides is kept.
        interpolation: name of the filter.
        backend: library of the filter, "pillow" or "cv2".
        scale_factor: factors of width and height.
    """

    scale: tuple[int, int] | None
    keep_ratio: bool
    interpolation: str = "bilinear"
    backend: str = "pillow"
    scale_factor: tuple[float, float] | None = None

    def scale_of(self, height: int, width: int) -> tuple[int, int]:
        """Return the ``scale`` for an image, rounded as mmcv rounds."""
        if self.scale is not None:
            return self.scale
        across, down = self.scale_factor or (1.0, 1.0)
        return int(width * across + 0.5), int(height * down + 0.5)


@dataclass(frozen=True)
class FileInfo:
    """The metadata of a file that a predictor needs.

    Attributes:
        class_names: the name of every label.
        resize: how images are resized; None if the file takes them at their own size.
        fixed_size: height and width of all inputs; None for a file that takes any size.
        batch: images per run of the file; None for any number.
        fill: the padding value of each channel, RGB for 3 channels: the color of the pipeline's
            padding, otherwise the one that is 0 after normalization.
        pixel_format: format of the images.
    """

    class_names: tuple[str, ...]
    resize: ResizeInfo | None
    fixed_size: tuple[int, int] | None
    batch: int | None
    fill: tuple[float, ...]
    pixel_format: PixelFormat = PixelFormat()

    @classmethod
    def from_metadata(cls, values: Mapping[str, Any]) -> FileInfo:
        """Check the metadata and select the needed values.

        Args:
            values: the result of :func:`decode`.

        Raises:
            ValueError: an entry is missing or invalid; the message names its key.
        """
        fixed = _take(values, "variant", "'dynamic' or 'fixed'", _variant) == "fixed"
        size = _take(values, "fixed_size", "[height, width]", _sides) if fixed else None
        # files of earlier versions are for 8-bit colors and lack these entries
        channels = _take({"channels": 3, **values}, "channels", "a number", _channels)
        dtype = _take({"dtype": "uint8", **values}, "dtype", f"one of {DTYPES}", _dtype)
        count = "three numbers" if channels == 3 else f"{channels} numbers"
        mean = _take(values, "mean", f"{count} or null", lambda value: _mean(value, channels))
        color = _take(
            {"pad_color": None, **values},
            "pad_color",
            f"{count} or null",
            lambda value: None if value is None else _mean(value, channels),
        )
        return cls(
            class_names=_take(values, "classes", "a list of names", _names),
            resize=_take(values, "resize", _RESIZE, _resize),
            fixed_size=size,
            batch=_take(values, "batch", "a number or null", _batch),
            fill=color or (mean[::-1] if values.get("mean_order") == "BGR" else mean),
            pixel_format=PixelFormat(channels, dtype),
        )


_RESIZE = (
    "null, or scale [a, b] or scale_factor [x, y], keep_ratio, interpolation and backend (pillow's "
    f"{', '.join(FILTERS['pillow'])}, or cv2's bilinear)"
)


def decode(texts: Mapping[str, str]) -> dict[str, Any]:
    """Decode the values of a file's metadata, by their names without the prefix.

    Args:
        texts: all metadata of the file; entries whose key begins with ``condinst.`` are JSON.

    Raises:
        ValueError: the file has no such metadata, or an entry is not JSON; the message names the
            key.
    """
    ours = {key: text for key, text in texts.items() if key.startswith(PREFIX)}
    if f"{PREFIX}version" not in ours:
        raise ValueError(
            f"it has no metadata {PREFIX}version: expected a file that `condinst export` wrote"
        )
    found = {}
    for key, text in ours.items():
        try:
            found[key.removeprefix(PREFIX)] = json.loads(text)
        except ValueError:
            raise ValueError(f"metadata {key}: expected JSON, got {text[:60]!r}") from None
    return found


def _take(values: Mapping[str, Any], key: str, expected: str, read: Callable[[Any], Any]) -> Any:
    """Read one entry; ``expected`` describes it in the message if it is missing or invalid."""
    if key not in values:
        raise ValueError(f"metadata {PREFIX}{key} is missing: expected {expected}")
    try:
        return read(values[key])
    except (TypeError, ValueError, KeyError):
        raise ValueError(
            f"metadata {PREFIX}{key}: expected {expected}, got {values[key]!r}"
        ) from None


def _variant(value: Any) -> str:
    if value not in ("dynamic", "fixed"):
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
        raise ValueError
    return tuple(value)


def _sides(value: Any) -> tuple[int, int]:
    first, second = value
    if not (isinstance(first, int) and isinstance(second, int) and min(first, second) > 0):
        raise ValueError
    return first, second


def _factors(value: Any) -> tuple[float, float]:
    across, down = (float(x) for x in value)
    if not (0 < across < math.inf and 0 < down < math.inf):
        raise ValueError
    return across, down


def _batch(value: Any) -> int | None:
    if value is not None and not (isinstance(value, int) and value > 0):
        raise ValueError
    return value


def _channels(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def _dtype(value: Any) -> str:
    if value not in DTYPES:
        raise ValueError
    return value


def _mean(value: Any, channels: int) -> tuple[float, ...]:
    numbers = tuple(float(x) for x in value or [0] * channels)
    if len(numbers) == 1:  # one number for all channels
        numbers *= channels
    if len(numbers) != channels:
        raise ValueError
    return numbers


def _resize(value: Any) -> ResizeInfo | None:
    if value is None:
        return None
    factors = value.get("scale_factor")  # files of earlier versions have none
    found = ResizeInfo(
        scale=None if factors else _sides(value["scale"]),
        keep_ratio=bool(value["keep_ratio"]),
        interpolation=value["interpolation"],
        backend=value["backend"],
        scale_factor=_factors(factors) if factors else None,
    )
    if found.interpolation not in FILTERS[found.backend]:
        raise ValueError
    return found
