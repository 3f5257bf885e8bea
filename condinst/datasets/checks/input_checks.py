"""Check that a config's pipelines load the kind of images that its model expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from condinst.config.nodes import type_name
from condinst.datasets.checks.steps import flat_steps
from condinst.images.pixel_format import PixelFormat

__all__ = ["check_input", "pixel_format_of"]


def pixel_format_of(pipeline: Any) -> PixelFormat | None:
    """Return the pixel format of a pipeline's LoadImageFromFile; None if it is not known.

    Raises:
        ValueError: a key of the step has an invalid value.
    """
    for step in pipeline or ():
        if type_name(step) == "LoadImageFromFile":
            flag = str(step.get("color_type", "color"))
            default = 1 if flag.startswith("grayscale") else 3
            if flag == "unchanged":
                return None
            channels = step.get("channels")
            return PixelFormat(
                default if channels is None else channels, step.get("dtype", "uint8")
            )
    return None


def check_input(key: str, pipeline: Any, model: Any) -> list[str]:
    """Compare what a pipeline loads with the model's preprocessor and backbone.

    Args:
        key: the config key of the dataset.
        pipeline: the steps of the dataset.
        model: the config of the model.

    Returns:
        One line for each problem.
    """
    try:
        found = pixel_format_of(pipeline)
    except ValueError as error:
        return [f"{key}.pipeline: LoadImageFromFile: {error}"]
    if found is None or not model:
        return []
    return [*_check_model(key, found, model), *_check_steps(key, found, pipeline)]


def _check_model(key: str, found: PixelFormat, model: Any) -> Iterator[str]:
    loads = f"{key}.pipeline: LoadImageFromFile loads {found}"
    backbone = model.get("backbone") or {}
    name = "in_chans" if "in_chans" in backbone else "in_channels"
    if backbone.get(name, 3) != found.channels:
        yield f"{loads}, but model.backbone.{name} is {backbone.get(name, 3)}"
    preprocessor = model.get("data_preprocessor") or {}
    mean = preprocessor.get("mean")
    if mean is not None and len(mean) not in (1, found.channels):
        yield f"{loads}, but model.data_preprocessor.mean has {len(mean)} numbers"
    swaps = preprocessor.get("bgr_to_rgb") or preprocessor.get("rgb_to_bgr")
    if swaps and found.channels != 3:
        yield f"{loads}, but model.data_preprocessor swaps red and blue; set bgr_to_rgb=False"
    if mean is not None and found.dtype == "uint16" and max(mean) < 256:
        yield (
            f"{loads}, up to 65535, but model.data_preprocessor.mean is {tuple(mean)}, as for 8 "
            "bits; condinst.datasets.image_statistics.channel_mean_std computes the mean"
        )


def _check_steps(key: str, found: PixelFormat, pipeline: Any) -> Iterator[str]:
    for step in flat_steps(pipeline):
        name = type_name(step)
        compares = name in ("PrepareBoxTargets", "PrepareMixedTargets")
        if compares and found.dtype == "float32" and not step.get("value_range"):
            yield f"{key}.pipeline: {name} needs value_range, the value of white"
