"""Check that the targets that a pipeline prepares are those that the model learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from condinst.config.known import OUR_DETECTORS
from condinst.config.nodes import type_name

__all__ = ["box_supervision_of", "check_targets"]


def box_supervision_of(model: Any) -> tuple[str, dict] | None:
    """Return the settings by which a model's masks are learned from boxes; None if they are not.

    Args:
        model: the config of the model.

    Returns:
        The settings' key below ``model``, and the settings.
    """
    for name in ("mask_head", "bbox_head"):
        head = model.get(name) or {}
        if head.get("box_supervision") is not None:
            return f"{name}.box_supervision", head["box_supervision"]
    mask_head = model.get("mask_head") or {}
    return ("mask_head", mask_head) if type_name(mask_head) == "BoxInstMaskHead" else None


def check_targets(key: str, pipeline: Sequence[Any], model: Any, dataset: Any = None) -> list[str]:
    """Compare the kind, strides and sizes of the pipeline's targets with the model's.

    Args:
        key: the config key of the dataset.
        pipeline: all steps of the dataset.
        model: the config of the model.
        dataset: the config of the dataset, which may have ``allow_box_only``.

    Returns:
        One line for each problem.
    """
    boxes = box_supervision_of(model)
    compared = _compared(model, boxes)
    problems: list[str] = []
    mixed = isinstance(dataset, dict) and bool(dataset.get("allow_box_only"))
    for step in pipeline:
        kind = type_name(step)
        problems += _check_kind(kind, model, boxes)
        if mixed and kind == "PrepareMaskTargets":
            problems.append(
                "PrepareMaskTargets needs a mask of each object, but the dataset has "
                "allow_box_only=True; expected PrepareMixedTargets"
            )
        problems += [
            f"{kind} has {name}={step.get(name, default)}, but model.{owner} is {needed}; they "
            "must be equal"
            for name, default, owner, needed in compared.get(kind, [])
            if step.get(name, default) != needed
        ]
    return [f"{key}.pipeline: {problem}" for problem in problems]


def _compared(model: Any, boxes: tuple[str, dict] | None) -> dict[str, list[tuple]]:
    """Return the arguments of each transform: name, default, the model's key and its value."""
    mask_head, semantic_head = model.get("mask_head", {}), model.get("semantic_head")
    stride = ("stride", 4, "mask_head.mask_out_stride", mask_head.get("mask_out_stride", 4))
    if "mask_loss_stride" in model.get("bbox_head", {}):  # RTMDet-Ins, 4 by default too
        needed = model["bbox_head"]["mask_loss_stride"]
        stride = ("stride", 4, "bbox_head.mask_loss_stride", needed)
    owner, settings = boxes or ("mask_head", {})
    colors = [
        (name, default, f"{owner}.{name}", settings.get(name, default))
        for name, default in (("pairwise_size", 3), ("pairwise_dilation", 2))
    ]
    compared: dict[str, list[tuple]] = {
        "PrepareMaskTargets": [stride],
        "PrepareBoxTargets": [stride, *colors],
        "PrepareMixedTargets": [stride, *colors],
    }
    if semantic_head:
        needed = semantic_head.get("stride", 8)
        compared["PrepareMaskTargets"].append(
            ("semantic_stride", None, "semantic_head.stride", needed)
        )
    return compared


def _check_kind(kind: str, model: Any, boxes: tuple[str, dict] | None) -> Iterator[str]:
    if type_name(model) not in OUR_DETECTORS:
        return
    if kind == "PrepareMaskTargets" and boxes is not None:
        yield (
            f"PrepareMaskTargets gives no colors, but model.{boxes[0]} learns masks from boxes and "
            "colors; expected PrepareBoxTargets, or PrepareMixedTargets where objects have masks"
        )
    if kind in ("PrepareBoxTargets", "PrepareMixedTargets") and boxes is None:
        head = "bbox_head" if type_name(model) == "RTMDet" else "mask_head"
        yield (
            f"{kind} gives boxes in place of masks, but model.{head} learns from masks; "
            f"expected PrepareMaskTargets, or model.{head}.box_supervision=dict() to learn from "
            "boxes"
        )
    if kind == "PrepareMixedTargets" and model.get("semantic_head"):
        yield (
            "PrepareMixedTargets is for objects without masks, from which model.semantic_head "
            "cannot learn; expected semantic_head=None"
        )
