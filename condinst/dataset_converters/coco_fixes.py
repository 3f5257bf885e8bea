"""Fix annotations of a COCO file without guessing, when the file is written again."""

from __future__ import annotations

from typing import Any

import numpy as np

from condinst.dataset_converters.outlines import box_object, rectangle, segmentation_object
from condinst.datasets.coco.coco_entries import Segmentation

__all__ = ["broken_rules", "fix", "is_measure"]

_MEASURES = {"bbox", "area", "keys", "iscrowd", "ignore"}  # what the mask or a default says too


def broken_rules(data: Any) -> dict[int, set[str]]:
    """Return annotation -> the rules that it breaks, of a ``CocoFile``.

    An annotation without a usable outline breaks one where others have masks. One without any
    segmentation does not: training learns from its box. An area of 0 breaks one where the box has
    pixels: training skips such objects.
    """
    found: dict[int, set[str]] = {}
    for issue in data.issues:
        if issue.where == "annotations" and not issue.fixed:
            found.setdefault(issue.index, set()).add(issue.rule)
    kinds = data.segmentations
    without = (kinds == Segmentation.DEGENERATE) & ~data.without_mask & ~data.crowd
    if not np.isin(kinds, (Segmentation.NONE, Segmentation.DEGENERATE)).all():
        for index in np.flatnonzero(without).tolist():
            found.setdefault(index, set()).add("segmentation")
    no_area = (data.areas <= 0) & (data.boxes[:, 2:] >= 1).all(axis=1)
    for index in np.flatnonzero(no_area & ~data.crowd & ~data.ignore).tolist():
        found.setdefault(index, set()).add("area")
    return found


def is_measure(rules: set[str]) -> bool:
    """Tell whether only values are broken that can be computed from the mask: box and area."""
    return rules <= _MEASURES


def fix(
    entry: dict[str, Any], rules: set[str], height: int, width: int
) -> tuple[dict[str, Any], str] | None:
    """Return the annotation that can be used instead of a broken one, and what was done.

    Args:
        entry: the annotation without its broken values.
        rules: the rules that it breaks.
        height, width: size of its image in pixels.

    Returns:
        The annotation with the box and area of its mask, or of its box where there is no mask, or
        the crowd region of its box. None if neither mask nor box can be used.
    """
    if entry.get("area", 1) <= 0:
        entry = {key: value for key, value in entry.items() if key != "area"}
    mask = entry.get("segmentation")
    if is_measure(rules) and mask:
        try:
            made = segmentation_object(0, mask, height, width)
        except ValueError:
            made = None
        if made is not None:
            measures = {"bbox": made["bbox"], "area": made["area"]}
            return measures | entry, "box or area made from the mask"
    x, y, w, h = entry.get("bbox", (0, 0, 0, 0))
    box = box_object(0, x, y, x + w, y + h, height, width)
    if min(w, h) <= 0 or box is None:
        return None
    if is_measure(rules):
        return None if mask else ({"area": w * h} | entry, "area made from the box")
    x, y, w, h = box["bbox"]
    corners = rectangle(x, y, x + w, y + h).ravel().tolist()
    crowd = {"bbox": box["bbox"], "area": box["area"], "segmentation": [corners], "iscrowd": 1}
    return entry | crowd, "mask unusable, made a crowd region of the box"
