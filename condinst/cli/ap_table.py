"""Write the metrics of an evaluation as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from condinst.utils.names import printable

_COLUMNS = {
    "AP": "mAP",
    "AP50": "mAP_50",
    "AP75": "mAP_75",
    "AP small": "mAP_s",
    "AP medium": "mAP_m",
    "AP large": "mAP_l",
}
_ROWS = {"bbox": "box", "segm": "mask"}
_ByClass = Mapping[str, Mapping[str, Sequence[float]]]


def ap_table(metrics: Mapping[str, Any], by_class: _ByClass | None = None) -> str:
    """Return a table of box and mask AP; other metrics follow, one in a line.

    Args:
        metrics: of one or several metrics, such as ``coco/segm_mAP``.
        by_class: the six numbers of each class by kind ("bbox" or "segm") and name; they replace
            metrics such as ``coco/star_precision``, which do not tell box from mask.
    """
    left = dict(metrics)
    rows: list[list[str]] = []
    for prefix in dict.fromkeys(name.rpartition("_mAP")[0] for name in metrics if "_mAP" in name):
        values = [left.pop(f"{prefix}_{key}", None) for key in _COLUMNS.values()]
        scope, _, kind = prefix.rpartition("/")
        title = _ROWS.get(kind, kind)
        title = title if scope in ("", "coco") else f"{scope} {title}"
        rows.append([title, *map(_cell, values)])
        for name, numbers in (by_class or {}).get(kind, {}).items():
            rows.append([f"  {printable(name)}", *map(_cell, numbers)])
            left.pop(f"{scope}/{name}_precision" if scope else f"{name}_precision", None)
    lines = align([["", *_COLUMNS], *rows]) if rows else []
    others = {printable(k): v for k, v in left.items() if isinstance(v, int | float)}
    return "\n".join([*lines, *(f"{name}: {value:.4g}" for name, value in others.items())])


def _cell(value: float | None) -> str:
    # -1 or nan: there is no object of this size or class
    return f"{value:.3f}" if value is not None and value >= 0 else "-"


def align(rows: Sequence[Sequence[str]], width: int = 11) -> list[str]:
    """Align the first column to the left, and the others to the right in columns of ``width``."""
    first = max(6, *(len(row[0]) for row in rows))
    return [
        (row[0].ljust(first) + "".join(cell.rjust(width) for cell in row[1:])).rstrip()
        for row in rows
    ]
