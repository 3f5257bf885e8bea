"""What is wrong with single entries of a COCO file, and how a list of it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["EntryIssue", "first_few", "shown", "summarize"]

_SHOWN = 3  # faults of a rule that a message quotes
_LENGTH = 80  # characters of a value that a message quotes

# rule -> what a message says after the number of annotations
_BROKEN = {
    "keys": "annotations that lack a key: ",
    "image_id": "wrong values of image_id in annotations, ",
    "category_id": "wrong values of category_id in annotations, ",
    "bbox": "wrong values of bbox in annotations, ",
    "area": "wrong values of area in annotations, ",
    "iscrowd": "wrong values of iscrowd in annotations, ",
    "ignore": "wrong values of ignore in annotations, ",
    "segmentation": (
        "annotations whose segmentation is neither RLE (a dict) nor a list of polygons "
        "[[x1, y1, x2, y2, ...]]: "
    ),
    "polygon": "annotations with a polygon that cannot be drawn: ",
    "rle": "annotations with a malformed RLE: ",
}
_REPAIRED = {
    "text": "numbers written as text, read as numbers: ",
    "pairs": "polygons written as [x, y] pairs, read as polygons: ",
    "id": "ids of another type than a whole number or text, read as the ids that they equal: ",
    "name": "category names that are numbers, read as text: ",
    "flags": "values of iscrowd or ignore written as text, read as 0 or 1: ",
}


@dataclass(frozen=True)
class EntryIssue:
    """One rule that one entry breaks.

    Attributes:
        rule: a key of the tables above: "bbox", "polygon", "text", ...
        where: the list of the file: "images", "annotations" or "categories".
        index: of the entry in that list.
        id: of the entry; None where it has none.
        text: what was found and what was expected, to follow "id 5: ".
        repaired: whether the records hold a sound value in its place.
    """

    rule: str
    where: str
    index: int
    id: Any
    text: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"id {shown(self.id)}: {self.text} ({self.where}[{self.index}])"


def shown(value: Any, length: int = _LENGTH) -> str:
    """A value for a message: short, on one line, and printable whatever it holds."""
    if type(value) is int and abs(value) > 10**40:  # of many digits, Python prints none
        return f"a whole number of {value.bit_length()} bits"
    if type(value) is str and value.isprintable() and len(value) <= length:
        return value
    try:
        text = ascii(value[:length] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # a number of many digits somewhere inside
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def first_few(items: Iterable[Any], limit: int = 5) -> str:
    """``a, b, c, ... (12 in all)``"""
    items = list(items)
    text = ", ".join(shown(item, 300) for item in items[:limit])
    return text if len(items) <= limit else f"{text}, ... ({len(items)} in all)"


def summarize(faults: Sequence[EntryIssue], *, repaired: bool) -> list[str]:
    """One line for each rule: how many entries break it, and the first of them."""
    table = _REPAIRED if repaired else _BROKEN
    by_rule: dict[str, list[EntryIssue]] = {}
    for fault in faults:
        if fault.repaired == repaired:
            by_rule.setdefault(fault.rule, []).append(fault)
    return [
        f"{len(by_rule[rule])} {start}"
        + "; ".join(f.text if rule == "keys" else str(f) for f in by_rule[rule][:_SHOWN])
        + ("; ..." if len(by_rule[rule]) > _SHOWN else "")
        for rule, start in table.items()
        if rule in by_rule
    ]
