"""What an exported file says about itself: JSON under keys that begin with ``condinst.``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnx import ModelProto

from condinst.version import __version__

__all__ = ["build_metadata", "read_metadata", "resize_settings", "sha256", "write_metadata"]

_PREFIX = "condinst."


def build_metadata(model, *, classes, pipeline, boxes, source: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for every variant of a detector's files.

    Args:
        model: the detector.
        classes: names of the labels.
        pipeline: steps of the test pipeline, as the config has them.
        boxes: :class:`~condinst.export.boxes.BoxSettings`.
        source: ``config`` and ``checkpoint_sha256``, each None where there is none.
    """
    pre = model.data_preprocessor
    normalised = getattr(pre, "_enable_normalize", False)
    return dict(
        version=__version__,
        task="instance segmentation",
        classes=list(classes),
        input_order="RGB",
        input_range=[0, 255],
        mean=pre.mean.flatten().tolist() if normalised else None,
        std=pre.std.flatten().tolist() if normalised else None,
        mean_order="RGB" if pre._channel_conversion else "BGR",
        resize=resize_settings(pipeline),
        pad_divisor=int(getattr(pre, "pad_size_divisor", 1)),
        conventions=dict(
            threshold_with_centerness=boxes.threshold_with_centerness,
            clip_after_nms=boxes.clip_after_nms,
            sqrt_scores=boxes.sqrt_scores,
        ),
        max_per_img=boxes.max_per_img,
        score_thr=boxes.score_thr,
        mask_thr=float(model.test_cfg["mask_thr"]),
        **source,
    )


def resize_settings(pipeline) -> dict[str, Any] | None:
    """``scale`` (mmdet's: long and short side, or width and height), ``keep_ratio``,
    ``interpolation`` and ``backend`` of a test pipeline; None if it does not resize.

    Raises:
        ValueError: it resizes in another way.
    """
    resizes = [step for step in pipeline if str(step["type"]).split(".")[-1] in _RESIZES]
    if not resizes:
        return None
    step = resizes[0]
    scale = step.get("scale")
    if len(resizes) > 1 or scale is None or not str(step["type"]).endswith("Resize"):
        raise ValueError(
            f"test pipeline: {dict(step)}: exported files know one Resize with scale=(W, H)"
        )
    if isinstance(scale, int):
        scale = (scale, scale)
    return dict(
        scale=list(scale),
        keep_ratio=bool(step.get("keep_ratio", False)),
        interpolation=step.get("interpolation", "bilinear"),
        backend=step.get("backend", "cv2"),
    )


_RESIZES = ("Resize", "FixScaleResize", "RandomResize", "RandomChoiceResize", "ResizeShortestEdge")


def write_metadata(model: ModelProto, values: Mapping[str, Any]) -> None:
    """Put each value into the file's ``metadata_props``, in place of one of the same name."""
    names = {_PREFIX + key for key in values}
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key not in names]
    del model.metadata_props[:]
    for key, value in [*kept, *((_PREFIX + k, json.dumps(v)) for k, v in values.items())]:
        model.metadata_props.add(key=key, value=value)


def read_metadata(model: ModelProto) -> dict[str, Any]:
    """What :func:`write_metadata` wrote."""
    return {
        entry.key.removeprefix(_PREFIX): json.loads(entry.value)
        for entry in model.metadata_props
        if entry.key.startswith(_PREFIX)
    }


def sha256(path: str | Path) -> str:
    """Hexadecimal digits of a file's checksum."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
