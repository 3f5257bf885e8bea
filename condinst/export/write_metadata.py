"""Write the metadata of exported files: JSON under keys that begin with ``condinst.``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onnx import ModelProto

from condinst.version import __version__

__all__ = ["build_metadata", "read_metadata", "resize_settings", "write_metadata"]

_PREFIX = "condinst."


def build_metadata(
    model,
    *,
    pixel_format,
    classes,
    steps,
    padding,
    boxes,
    source: Mapping[str, Any],
    options,
    opset: int,
) -> dict[str, Any]:
    """Build the metadata of a file.

    Args:
        model: the detector.
        pixel_format: :class:`~condinst.images.pixel_format.PixelFormat` of the images.
        classes: names of the labels.
        steps: transforms of the test pipeline.
        padding: :class:`~condinst.export.padding.Padding` of the test pipeline, or None.
        boxes: :class:`~condinst.export.settings.BoxSettings`.
        source: ``config`` and ``checkpoint_sha256``, each None if there is none.
        options: :class:`~condinst.export.exporter.Options`.
        opset: ONNX opset.
    """
    pre = model.data_preprocessor
    normalized = getattr(pre, "_enable_normalize", False)
    return dict(
        version=__version__,
        task="instance segmentation",
        classes=list(classes),
        channels=pixel_format.channels,
        dtype=pixel_format.dtype,
        input_order="RGB" if pixel_format.channels == 3 else "as stored",
        input_range=None if pixel_format.dtype == "float32" else [0, pixel_format.largest],
        mean=pre.mean.flatten().tolist() if normalized else None,
        std=pre.std.flatten().tolist() if normalized else None,
        mean_order=_mean_order(pre, pixel_format.channels),
        resize=resize_settings(steps),
        pad_color=None if padding is None else list(padding.color),
        pad_divisor=int(getattr(pre, "pad_size_divisor", 1)),
        conventions=dict(
            threshold_with_centerness=boxes.threshold_with_centerness,
            clip_after_nms=boxes.clip_after_nms,
            sqrt_scores=boxes.sqrt_scores,
        ),
        max_per_img=boxes.max_per_img,
        score_thr=boxes.score_thr,
        mask_thr=float(model.test_cfg["mask_thr"]),
        variant="fixed" if options.fixed_size else "dynamic",
        fixed_size=list(options.fixed_size) if options.fixed_size else None,
        batch=(options.batch or 1) if options.fixed_size else options.batch,
        precision=options.precision,
        opset=opset,
        **source,
    )


def _mean_order(preprocessor, channels: int) -> str:
    if channels != 3:
        return "as stored"
    return "RGB" if preprocessor._channel_conversion else "BGR"


def resize_settings(steps) -> dict[str, Any] | None:
    """Return how a test pipeline resizes images; None if it does not.

    The keys are ``scale`` (as in mmdet: two sides that the image is fitted into, or width and
    height) or ``scale_factor`` (of width and height), ``keep_ratio``, ``interpolation`` and
    ``backend``.

    Raises:
        ValueError: the pipeline resizes in another way, which users of the file could not repeat.
    """
    resizes = [step for step in steps if "Resize" in type(step).__name__]
    if not resizes:
        return None
    step = resizes[0]
    if len(resizes) > 1 or type(step).__name__ != "Resize":
        names = ", ".join(type(step).__name__ for step in resizes)
        raise ValueError(
            f"test pipeline: it resizes by {names}: expected one Resize, which the users of an "
            "exported file can repeat"
        )
    if step.scale is None:
        size = dict(scale_factor=[float(factor) for factor in step.scale_factor])
    else:  # mmcv's transform ignores a factor if there is a scale
        size = dict(scale=[int(side) for side in step.scale])
    return dict(
        **size,
        keep_ratio=bool(step.keep_ratio),
        interpolation=step.interpolation,
        backend=step.backend,
    )


def write_metadata(model: ModelProto, values: Mapping[str, Any]) -> None:
    """Write each value to the file's ``metadata_props``, and replace one of the same name."""
    names = {_PREFIX + key for key in values}
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key not in names]
    del model.metadata_props[:]
    for key, value in [*kept, *((_PREFIX + k, json.dumps(v)) for k, v in values.items())]:
        model.metadata_props.add(key=key, value=value)


def read_metadata(model: ModelProto) -> dict[str, Any]:
    """Read the values that :func:`write_metadata` wrote."""
    return {
        entry.key.removeprefix(_PREFIX): json.loads(entry.value)
        for entry in model.metadata_props
        if entry.key.startswith(_PREFIX)
    }
