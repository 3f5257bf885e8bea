"""Check single values of the entries of a COCO file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from condinst.datasets.coco.entry_issues import short_repr

__all__ = [
    "MAX_ID",
    "MAX_PIXELS",
    "MAX_SIDE",
    "as_number",
    "check_one_type",
    "far_message",
    "first_non_number",
    "is_name",
    "is_pair",
    "missing_message",
    "read_id",
    "refuse",
    "require_keys",
]

MAX_SIDE = 1 << 20  # pixels; OpenCV's limit of a side
MAX_PIXELS = 1 << 30  # OpenCV's limit of an image
MAX_ID = 1 << 63  # ids fit into int64


def is_pair(point: Any) -> bool:
    """Tell whether a value is a point [x, y]."""
    return type(point) is list and len(point) == 2 and type(point[0]) is not list


def as_number(value: Any) -> float | None:
    """Return a finite number, perhaps written as text, as a float; None for anything else."""
    if type(value) not in (int, float, str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def first_non_number(polygon: list) -> str:
    """Return the first value of a polygon that is not a number, for a message."""
    wrong = (x for x in polygon if as_number(x) is None)
    return short_repr(next(wrong, polygon))


def far_message(numbers: Any) -> str:
    """Return a message on coordinates beyond every image."""
    return f"expected pixels, at most {MAX_SIDE}, got {short_repr(numbers)}"


def read_id(value: Any, where: str) -> Any:
    """Return an id, a whole number or text; 1.0 becomes 1. Raise ValueError for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if (type(value) is int and abs(value) < MAX_ID) or is_name(value):
        return value
    number = "whole number below 2**63" if type(value) is int else "whole number"
    raise ValueError(f"{where}: id: expected a {number} or text, got {short_repr(value)}")


def is_name(value: Any) -> bool:
    """Tell whether a value is text that file systems and terminals accept."""
    if type(value) is not str or not value or "\0" in value or len(value) > 4096:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def require_keys(entry: Any, name: str, index: int, keys: tuple[str, ...]) -> None:
    """Check that an entry of the list ``name`` is a dict with all keys; raise ValueError."""
    if type(entry) is not dict or not entry.keys() >= set(keys):
        raise ValueError(missing_message(entry, name, index, keys))


def missing_message(entry: Any, name: str, index: int, keys: tuple[str, ...]) -> str:
    """Return a message on an entry that lacks keys."""
    got = sorted(entry) if isinstance(entry, dict) else entry
    return f"{name}[{index}] needs the keys {', '.join(keys)}, got {short_repr(got, 200)}"


def check_one_type(ids: Sequence[Any], name: str) -> None:
    """Check that ids are all numbers or all text; raise ValueError."""
    kinds = {type(key): key for key in ids}
    if len(kinds) > 1:
        raise ValueError(
            f"not COCO's layout: {name}: expected ids of one kind, got numbers and text: "
            f"{', '.join(repr(key) for key in kinds.values())}"
        )


def refuse(broken: Sequence[str], limit: int = 3) -> None:
    """Raise ValueError with the first messages, if there are any."""
    if broken:
        more = f"; ... ({len(broken)} in all)" if len(broken) > limit else ""
        raise ValueError(f"not COCO's layout: {'; '.join(broken[:limit])}{more}")
