"""Make the values of a file's extra keys readable for every JSON reader."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["plain", "plain_annotation"]

_MAX_DEPTH = 100
_MAX_INT = 1 << 63
_CHECKED = frozenset(("bbox", "segmentation"))  # by the reader, and long


def plain(value: Any, depth: int = 0) -> Any:
    """Replace by None what other readers refuse: NaN, infinity, integers of more than 64 bits, and
    values nested deeper than 100 lists and dicts.
    """
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
    """Apply :func:`plain` to an annotation whose box and mask the reader has checked."""
    return {key: v if key in _CHECKED else plain(v) for key, v in entry.items()}
