"""Read the images and categories of a COCO file.

They are few and every annotation refers to them: an issue in one of them makes the file unusable,
unless it can be fixed without doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from condinst.datasets.coco.entry_issues import EntryIssue, short_repr
from condinst.datasets.coco.entry_values import (
    MAX_PIXELS,
    MAX_SIDE,
    as_number,
    check_one_type,
    is_name,
    read_id,
    refuse,
    require_keys,
)

__all__ = ["read_categories", "read_images"]


def read_images(
    entries: Sequence[Any],
    issues: list[EntryIssue],
    sizes: Mapping[int, tuple[int, int]] | None = None,
) -> list[dict[str, Any]]:
    """Return the images with sound ids and names.

    Args:
        entries: the file's list of images.
        issues: receives what was fixed, and the sizes that are missing or unusable.
        sizes: index -> height and width that are used instead of the entry's.

    Returns:
        The dicts of the images; height and width are 0 where one of them is unusable.

    Raises:
        ValueError: entries cannot be read; the message names them.
    """
    made, broken = [], []
    for index, entry in enumerate(entries):
        try:
            made.append(_read_image(index, entry, issues, (sizes or {}).get(index)))
        except ValueError as error:
            broken.append(str(error))
    refuse(broken)
    check_one_type([entry["id"] for entry in made], "images")
    return made


def _read_image(
    index: int, entry: Any, issues: list[EntryIssue], size: tuple[int, int] | None
) -> dict[str, Any]:
    if isinstance(entry, dict) and "file_name" not in entry and is_name(entry.get("coco_url")):
        # LVIS: http://images.cocodataset.org/train2017/000000391895.jpg
        entry = {**entry, "file_name": "/".join(entry["coco_url"].split("/")[3:])}
    require_keys(entry, "images", index, ("id", "file_name"))
    key = read_id(entry["id"], f"images[{index}]")
    where = f"images[{index}] (id {short_repr(key)})"
    name = entry["file_name"]
    if not is_name(name):
        raise ValueError(
            f"{where}: file_name: expected the name of a file, got "
            f"{short_repr(name) or 'an empty text'}"
        )
    made = {**entry, "id": key}
    if type(entry["id"]) is not type(key):
        issues.append(
            EntryIssue("id", "images", index, key, f"got {short_repr(entry['id'])}", True)
        )
    if size is not None:
        return made | {"height": size[0], "width": size[1]}
    unusable = []
    for side in ("height", "width"):
        made[side] = _read_side(entry.get(side))
        if made[side] < 1:
            got = f"got {short_repr(entry[side])}" if side in entry else "missing"
            unusable.append(f"{side} {got}")
        elif isinstance(entry[side], str):
            text = f"{side} {short_repr(entry[side])!r}"
            issues.append(EntryIssue("text", "images", index, key, text, True))
    if unusable:
        made |= {"height": 0, "width": 0}
        issues.append(EntryIssue("size", "images", index, key, " and ".join(unusable)))
    if made["height"] * made["width"] > MAX_PIXELS:
        raise ValueError(
            f"{where}: expected at most {MAX_PIXELS} pixels, got {made['width']} x {made['height']}"
        )
    return made


def _read_side(value: Any) -> int:
    """Return a number of pixels; 0 for anything else."""
    number = as_number(value)
    if number is None or not number.is_integer() or not 0 < number <= MAX_SIDE:
        return 0
    return int(number)


def read_categories(entries: Sequence[Any], issues: list[EntryIssue]) -> list[dict[str, Any]]:
    """Return the categories with sound ids and names; see :func:`read_images`."""
    made, broken = [], []
    for index, entry in enumerate(entries):
        try:
            require_keys(entry, "categories", index, ("id", "name"))
            key = read_id(entry["id"], f"categories[{index}]")
            name = entry["name"]
            if type(name) in (int, float) and math.isfinite(as_number(name) or 0.0):
                name = short_repr(name)
                issues.append(EntryIssue("name", "categories", index, key, f"got {name}", True))
            if not is_name(name):
                raise ValueError(
                    f"categories[{index}] (id {short_repr(key)}): name: expected text, got "
                    f"{short_repr(name) or 'an empty text'}"
                )
            if type(entry["id"]) is not type(key):
                text = f"got {short_repr(entry['id'])}"
                issues.append(EntryIssue("id", "categories", index, key, text, True))
            made.append({**entry, "id": key, "name": name})
        except ValueError as error:
            broken.append(str(error))
    refuse(broken)
    check_one_type([entry["id"] for entry in made], "categories")
    return made
