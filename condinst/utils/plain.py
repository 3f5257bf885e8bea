"""Values of a file's extra keys that every JSON reader takes."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["plain", "plain_annotation"]

_MAX_DEPTH = 100
_MAX_INT = 1 << 63
_CHECKED = frozenset(("bbox", "segmentation"))  # by the reader, and long


def plain(value: Any, depth: int = 0) -> Any:
    """The value with null for NaN, infinity, whole numbers of over 64 bits, and what lies deeper
    than 100 lists and dicts."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {key: plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part, depth + 1) for part in value]
    if type(value) is float and not math.isfinite(value):
        return None
    if type(value) is int and not -_MAX_INT <= value < _MAX_INT:
        return None
    return value


def plain_annotation(entry: dict[str, Any]) -> dict[str, Any]:
    """The same for an annotation of the records, whose box and mask are sound."""
    return {key: v if key in _CHECKED else plain(v) for key, v in entry.items()}
