"""Refuse transforms that lose masks or move them to another place, before the first iteration."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

from condinst.config.nodes import type_name
from condinst.datasets.checks.steps import flat_steps, is_upstream, registered_class

__all__ = ["check_transforms"]

_PACKAGES = {
    "Albu": "albumentations",
    "Corrupt": "imagecorruptions",
    "InstaBoost": "instaboostfast",
}
_NO_MASKS = {
    "CenterCrop": "takes no boxes and masks; use RandomCrop",
    "RandomCenterCropPad": "takes no masks; use RandomCrop, then Pad",
}
# mmdet's classes, in place of which ours take masks of any kind
_LOSES_MASKS = ("Mosaic", "MixUp", "RandomAffine")
_BITMAPS_ONLY = ("Albu", "CopyPaste", "RandomErasing")
_SAME_KIND = ("CachedMixUp", "CachedMosaic")
_MIXES = ("CopyPaste", "MixUp", "Mosaic")
# mmcv's classes of these names know neither mmdet's boxes nor masks
_MMCV_MOVES = ("Resize", "RandomFlip", "Pad")


def check_transforms(
    key: str, own: Any, steps: Sequence[Any], scope: str | None, allow_box_only: bool = False
) -> list[str]:
    """Check the transforms of a dataset against the masks that it loads.

    Args:
        key: the config key of the dataset.
        own: the pipeline of the innermost dataset, without those of its wrappers.
        steps: all steps.
        scope: the config's ``default_scope``, which decides whose class a bare name is.
        allow_box_only: whether objects may have a box and no mask.

    Returns:
        One line for each problem.
    """
    flat = list(flat_steps(steps))
    masks = any(type_name(s).endswith("Annotations") and s.get("with_mask") for s in flat)
    drawn = any(type_name(s).endswith("Annotations") and s.get("poly2mask", True) for s in flat)
    problems = [p for step in flat for p in _check(step, masks, drawn, scope)]
    if allow_box_only and masks:
        problems += [
            f"mmdet's {type_name(step)} makes bitmaps that do not tell which objects have only a "
            f'box; set type="condinst.{type_name(step)}"'
            for step in flat
            if type_name(step) in (*_BITMAPS_ONLY, *_SAME_KIND) and is_upstream(step, scope)
        ]
    problems += [
        f"{type_name(step)} belongs into the pipeline of a MultiImageMixDataset around this "
        "dataset, which gives it the images to mix"
        for step in flat_steps(own)
        if type_name(step) in _MIXES
    ]
    return [f"{key}.pipeline: {problem}" for problem in problems]


def _check(step: dict, masks: bool, drawn: bool, scope: str | None) -> Iterator[str]:
    name = type_name(step)
    package = _PACKAGES.get(name)
    if package and importlib.util.find_spec(package) is None:
        yield f"{name} needs a package that is not installed: pip install {package}"
    kinds = [kind for kind in (step["type"], step.get("resize_type")) if kind is not None]
    for moving in (kind for kind in kinds if type_name(kind) in _MMCV_MOVES):
        found = registered_class(moving, scope)
        if getattr(found, "__module__", "").startswith("mmcv."):
            own = type_name(moving)
            if masks or own != "Pad":  # which keeps the boxes where they are
                key = "type" if moving is step["type"] else "resize_type"
                yield f'mmcv\'s {own} leaves masks as they are; set {key}="mmdet.{own}"'
    if not masks:
        if name == "FitBoxesToMasks":
            yield "FitBoxesToMasks needs masks; set with_mask=True of LoadAnnotations"
        return
    if name in _NO_MASKS:
        yield f"{name} {_NO_MASKS[name]}"
    if not is_upstream(step, scope):
        return
    use = f'; set type="condinst.{name}"'
    if name in _LOSES_MASKS:
        yield f"mmdet's {name} takes no masks{use}"
    elif name in _BITMAPS_ONLY and not drawn:
        yield f"mmdet's {name} takes bitmaps only, and poly2mask=False loads polygons{use}"
    elif name in _SAME_KIND:
        yield f"mmdet's {name} takes square images with masks of one kind only{use}"
