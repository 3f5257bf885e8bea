"""Refuse COCO files whose content would be read as something else than was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.coco_fixes import broken_rules, is_measure
from condinst.datasets.coco.entry_issues import first_few

__all__ = ["check_content"]


def check_content(path: Path, data: Any) -> None:
    """Check what makes all annotations of a file wrong.

    Args:
        path: the file, for messages.
        data: the ``CocoFile``.

    Raises:
        ValueError: no annotation can be used, category ids are shifted, or coordinates are
            fractions of the image.
    """
    number = len(data.ann_ids)
    wrong = [rules for rules in broken_rules(data).values() if not is_measure(rules)]
    if number and len(wrong) == number:
        found = "".join(f"\n  {problem}" for problem in data.problems)
        raise ValueError(
            f"{path}: none of its {number} annotations can be used; to fix what can be fixed, "
            f"run condinst doctor --data {path} --fix fixed. Found:{found}"
        )
    unknown = {value for (key, _), value in data.unknown.items() if key == "category_id"}
    used = {data.categories[i][0] for i in set(data.category_index.tolist()) if i >= 0}
    ids = {key for key, _ in data.categories}
    numbers = all(type(key) is int for key in ids)
    raised = numbers and bool(ids) and max(ids) + 1 in unknown and min(ids) not in used
    lowered = numbers and bool(ids) and min(ids) - 1 in unknown and max(ids) not in used
    if raised or lowered:
        stated = sorted(used | unknown, key=str)
        raise ValueError(
            f"{path}: annotations have the category ids {first_few(stated)}, the "
            f"categories the ids {first_few(sorted(ids))}: they look shifted; number both alike"
        )
    points = data.coordinates
    if len(points) and np.abs(points).max() <= 1:
        raise ValueError(
            f"{path}: the coordinates of all polygons are from {points.min():g} to "
            f"{points.max():g}: they look like fractions of the image; expected pixels"
        )
