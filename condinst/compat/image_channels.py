"""Let mmdet's geometric transforms take images of any number of channels.

Upstream bugs (mmdet 3.3.0): ``Rotate``, ``ShearX``, ``ShearY``, ``TranslateX`` and ``TranslateY``
make three fill values from one number, and mmcv or OpenCV refuse or repeat them for gray images and
for four or more channels. ``Pad`` gives OpenCV a value for each channel, and OpenCV takes four at
most. With one number that is no ``int``, such as 114.0, it fills the first channel of a color image
only. ``CutOut``, ``Expand`` and ``MinIoURandomCrop`` fail on gray images, which are (H, W). Delete
when mmdet takes such images and numbers.

Otherwise images of three channels go through mmdet's own code unchanged.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["by_planes", "fill_for"]


def apply(upstream: str) -> None:
    """Let the transforms that move pixels work on one channel at a time."""
    module: Any = sys.modules[upstream]
    for name in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"):
        cls = getattr(module, name)
        cls._transform_img = _moving(cls._transform_img)


def fix_transforms(upstream: str) -> None:
    """Let ``Pad``, ``CutOut``, ``Expand`` and ``MinIoURandomCrop`` take any channels."""
    module: Any = sys.modules[upstream]
    module.Pad._pad_img = _padding(module.Pad._pad_img)
    for name, key in (("CutOut", "fill_in"), ("Expand", "mean"), ("MinIoURandomCrop", None)):
        cls = getattr(module, name)
        cls.transform = _with_channel_axis(cls.transform, key)


def fill_for(image: np.ndarray, value: Any, name: str) -> Any:
    """Return a fill value in the form that suits an image.

    Args:
        image: (H, W) or (H, W, C).
        value: a number, or a sequence of numbers, one for each channel. Numbers that are all the
            same suit any image.
        name: of the argument, for the error.

    Returns:
        A number for (H, W), a tuple of C numbers otherwise; for three channels, a sequence as it
        is.

    Raises:
        ValueError: there are different numbers, and not one for each channel.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    if isinstance(value, np.generic):
        value = value.item()
    if image.ndim == 3 and channels == 3:
        # OpenCV takes one number as that of the first channel
        return (value,) * 3 if isinstance(value, int | float) else value
    values = list(value) if isinstance(value, Sequence | np.ndarray) else [value]
    if len(values) != channels:
        if len(set(values)) != 1:
            raise ValueError(
                f"{name}={tuple(values)}: expected one number for all channels, or {channels}, "
                "as the image has"
            )
        values = values[:1] * channels
    return values[0] if image.ndim == 2 else tuple(values)


def by_planes(
    image: np.ndarray, value: Any, name: str, move: Callable[[np.ndarray, Any], np.ndarray]
) -> np.ndarray:
    """Apply ``move`` to each (H, W) channel of an image with its fill value.

    Args:
        image, value, name: as for :func:`fill_for`.
        move: takes a channel and a number, returns a channel.

    Raises:
        ValueError: as :func:`fill_for`.
    """
    value = fill_for(image, value, name)
    if image.ndim == 2:
        return move(image, value)
    planes = [np.ascontiguousarray(image[:, :, i]) for i in range(image.shape[2])]
    return np.stack([move(p, v) for p, v in zip(planes, value, strict=True)], axis=2)


def _is_usual(image: np.ndarray) -> bool:
    return image.ndim == 3 and image.shape[2] == 3


def _moving(method: Callable) -> Callable:
    """Wrap a method that moves ``results["img"]`` and fills with ``img_border_value``."""

    @functools.wraps(method)
    def transform_img(self: Any, results: dict, mag: float) -> None:
        if _is_usual(results["img"]):
            method(self, results, mag)
            return

        def move(plane: np.ndarray, value: float) -> np.ndarray:
            mine, part = copy.copy(self), dict(results, img=plane)
            mine.img_border_value = (float(value),)
            method(mine, part, mag)
            return part["img"]

        name = f"{type(self).__name__}: img_border_value"
        results["img"] = by_planes(results["img"], self.img_border_value, name, move)

    return transform_img


def _padding(method: Callable) -> Callable:
    """Wrap ``Pad._pad_img``."""

    @functools.wraps(method)
    def pad_img(self: Any, results: dict) -> None:
        if _is_usual(results["img"]):
            mine = copy.copy(self)
            value = fill_for(results["img"], self.pad_val.get("img", 0), "Pad: pad_val")
            mine.pad_val = {**self.pad_val, "img": tuple(value)}
            method(mine, results)
            return
        part: dict = {}

        def pad(plane: np.ndarray, value: float) -> np.ndarray:
            mine = copy.copy(self)
            mine.pad_val = {**self.pad_val, "img": value}
            part.update(img=plane)
            method(mine, part)
            return part["img"]

        value = self.pad_val.get("img", 0)
        image = by_planes(results["img"], value, "Pad: pad_val", pad)
        results.update(part, img=image, pad_shape=image.shape)

    return pad_img


def _with_channel_axis(method: Callable, key: str | None) -> Callable:
    """Wrap a method ``transform`` that needs (H, W, C) images.

    Args:
        method: the method.
        key: the attribute that holds the fill value; None if there is none.
    """

    @functools.wraps(method)
    def transform(self: Any, results: dict) -> dict | None:
        image = results["img"]
        if _is_usual(image):
            return method(self, results)
        is_gray = image.ndim == 2
        if is_gray:
            image = results["img"] = image[:, :, None]
        if key is not None:
            value = fill_for(image, getattr(self, key), f"{type(self).__name__}: {key}")
            self = copy.copy(self)
            setattr(self, key, value)
        found = method(self, results)
        if is_gray and found is not None:
            found["img"] = found["img"][:, :, 0]
        return found

    return transform
