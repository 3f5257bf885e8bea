"""Refuse transforms that cannot take the loaded pixels, before the first iteration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from condinst.config.nodes import type_name
from condinst.datasets.checks.input_checks import pixel_format_of
from condinst.datasets.checks.steps import flat_steps, is_upstream
from condinst.images.pixel_format import PixelFormat

__all__ = ["check_pixels"]

# Transforms of the colors of 8-bit BGR; other pixels give errors or wrong values.
_FOR_COLORS = (
    "AutoContrast",
    "Brightness",
    "Color",
    "Contrast",
    "Corrupt",
    "Equalize",
    "InstaBoost",
    "Invert",
    "PhotoMetricDistortion",
    "Posterize",
    "Sharpness",
    "Solarize",
    "SolarizeAdd",
    "YOLOXHSVRandomAug",
)
# albumentations has these for whole numbers of any channels; it clips floats to 0 to 1
_BRIGHTNESS = ("Brightness", "Contrast", "PhotoMetricDistortion")
# what chooses such transforms unless this argument says otherwise
_BY_DEFAULT = {"AutoAugment": "policies", "RandAugment": "aug_space"}
_GEOMETRIC = '[[dict(type="Rotate")], [dict(type="ShearX")]]'
# mmdet's classes, in place of which ours take images of any channels
_THREE_CHANNELS = (
    "CachedMixUp",
    "CachedMosaic",
    "CopyPaste",
    "MixUp",
    "Mosaic",
    "RandomAffine",
    "RandomErasing",
)
_FILLS = {
    "CachedMixUp": "pad_val",
    "CachedMosaic": "pad_val",
    "CutOut": "fill_in",
    "Expand": "mean",
    "MixUp": "pad_val",
    "Mosaic": "pad_val",
    "Pad": "pad_val",
    "RandomAffine": "border_val",
    "RandomErasing": "img_border_value",
    "Rotate": "img_border_value",
    "ShearX": "img_border_value",
    "ShearY": "img_border_value",
    "TranslateX": "img_border_value",
    "TranslateY": "img_border_value",
}
_RESIZES = ("FixScaleResize", "FixShapeResize", "Resize")


def check_pixels(key: str, steps: Sequence[Any], scope: str | None) -> list[str]:
    """Check the transforms of a dataset against the channels and the type of its images.

    Args:
        key: the config key of the dataset.
        steps: all steps.
        scope: the config's ``default_scope``, which decides whose class a bare name is.

    Returns:
        One line for each problem; none if the pixel format is not known, or wrong.
    """
    try:
        found = pixel_format_of(steps)
    except ValueError:  # check_input says so
        return []
    if found is None or found.is_rgb8:
        return []
    problems = [p for step in flat_steps(steps) for p in _check(step, found, scope)]
    return [f"{key}.pipeline: {problem}" for problem in dict.fromkeys(problems)]


def _check(step: dict, found: PixelFormat, scope: str | None) -> Iterator[str]:
    name = type_name(step)
    loads = f"LoadImageFromFile loads {found}"
    if name in _FOR_COLORS:
        has_other = name in _BRIGHTNESS and found.dtype != "float32"
        instead = " or use Albu with RandomBrightnessContrast" if has_other else ""
        yield f"{name} is for 8-bit colors, but {loads}; leave it out{instead}"
    nested = _BY_DEFAULT.get(name)
    if nested and not step.get(nested):
        yield (
            f"{name} chooses transforms of 8-bit colors by default, but {loads}; name others, "
            f"such as {nested}={_GEOMETRIC}"
        )
    theirs = is_upstream(step, scope)
    by_pillow = name in _RESIZES and step.get("backend") == "pillow"
    if by_pillow and not _pillow_resizes(found) and (theirs or name != "Resize"):
        yield (
            f'mmdet\'s {name} with backend="pillow" is for 8 bits of gray or colors, but {loads}; '
            'set backend="cv2"'
        )
    if found.channels == 3:
        return
    if name == "RandomGrayscale":
        yield f"{name} is for 3 channels, but {loads}; leave it out"
    if name == "RandomCenterCropPad":
        yield f"{name} is for 3 channels, but {loads}; use RandomCrop, then Pad"
    if name in _THREE_CHANNELS and theirs:
        yield f'mmdet\'s {name} is for 3 channels, but {loads}; set type="condinst.{name}"'
    yield from _check_fill(name, step, found, loads)


def _check_fill(name: str, step: dict, found: PixelFormat, loads: str) -> Iterator[str]:
    """Check that a fill value is one number, or one for each channel."""
    key = _FILLS.get(name)
    value = step.get(key)
    if isinstance(value, dict):  # of Pad
        value = value.get("img")
    if not isinstance(value, list | tuple) or len(value) == found.channels:
        return
    if len(set(value)) > 1:
        yield f"{name} has {key}={tuple(value)}, but {loads}; set the same number for all"


def _pillow_resizes(found: PixelFormat) -> bool:
    return found.dtype == "uint8" and found.channels in (1, 3)
