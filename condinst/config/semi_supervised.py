"""Refuse mmdet's semi-supervised detectors around ours, before the first iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from condinst.config.known import OUR_DETECTORS
from condinst.config.nodes import type_name

__all__ = ["check_semi_supervised"]


def check_semi_supervised(cfg: Config, model: Any) -> Iterator[str]:
    """Yield a message if the model is a teacher and a student of our detectors.

    mmdet moves the boxes of pseudo labels from the teacher's view to the student's, and leaves
    their masks where they are. SoftTeacher also needs heads of two stages.
    """
    name = type_name(model)
    if name not in ("SemiBaseDetector", "SoftTeacher") or not isinstance(model, dict):
        return
    detector: Any = model.get("detector")
    if type_name(detector) not in OUR_DETECTORS:
        return
    kind = detector.get("type")
    if isinstance(kind, str):
        scope = kind.rpartition(".")[0] or cfg.get("default_scope")
    else:
        scope = str(getattr(kind, "__module__", "")).partition(".")[0]
    if scope == "condinst":
        yield (
            f"model.type={name!r}: mmdet's pseudo labels have no masks that fit the student's "
            f"view, so {type_name(detector)} cannot learn from them; label more images with "
            "condinst predict --format coco and train on both"
        )
