"""Hold the issues of single entries of a COCO file and summarize them for messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CROWDS_HELP", "EntryIssue", "first_few", "short_repr", "summarize"]

CROWDS_HELP = (
    "If they are single objects, as CVAT's COCO export writes masks, export "
    '"CVAT for images 1.1", or set iscrowd to 0.'
)

_QUOTED = 3  # issues of a rule in a message
_LENGTH = 80  # characters of a value in a message

# rule -> the text of a message after the number of entries
_BROKEN = {
    "size": (
        "images without a usable height and width (condinst doctor --data FILE --fix FOLDER takes "
        "them from the image files): "
    ),
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
_FIXED = {
    "text": "numbers written as text, read as numbers: ",
    "pairs": "polygons written as [x, y] pairs, read as polygons: ",
    "flat": "polygons x1, y1, x2, ... that are not in a list of polygons, read as polygons: ",
    "id": "ids of another type than a whole number or text, read as the ids that they equal: ",
    "name": "category names that are numbers, read as text: ",
    "flags": "values of iscrowd or ignore written as text, read as 0 or 1: ",
}


@dataclass(frozen=True)
class EntryIssue:
    """One rule that one entry breaks.

    Attributes:
        rule: a key of the tables above, such as "bbox", "polygon" or "text".
        where: the list in the file: "images", "annotations" or "categories".
        index: the index of the entry in that list.
        id: the id of the entry; None without one.
        text: what was found and what was expected; follows "id 5: " in messages.
        fixed: whether the records hold a sound value instead.
    """

    rule: str
    where: str
    index: int
    id: Any
    text: str
    fixed: bool = False

    def __str__(self) -> str:
        return f"id {short_repr(self.id)}: {self.text} ({self.where}[{self.index}])"


def short_repr(value: Any, length: int = _LENGTH) -> str:
    """Return a value as short, printable text on one line, for a message."""
    if type(value) is int and abs(value) > 10**40:  # Python refuses to print very long integers
        return f"a whole number of {value.bit_length()} bits"
    if type(value) is str and value.isprintable() and len(value) <= length:
        return value
    try:
        text = ascii(value[:length] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # it contains a very long integer, or is nested too deep
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def first_few(items: Iterable[Any], limit: int = 5) -> str:
    """Join the first items for a message: ``a, b, c, ... (12 in all)``."""
    items = list(items)
    text = ", ".join(short_repr(item, 300) for item in items[:limit])
    return text if len(items) <= limit else f"{text}, ... ({len(items)} in all)"


def summarize(issues: Sequence[EntryIssue], *, fixed: bool) -> list[str]:
    """Return one line for each rule: how many entries break it, and the first of them."""
    table = _FIXED if fixed else _BROKEN
    by_rule: dict[str, list[EntryIssue]] = {}
    for issue in issues:
        if issue.fixed == fixed:
            by_rule.setdefault(issue.rule, []).append(issue)
    return [
        f"{len(by_rule[rule])} {start}"
        + "; ".join(f.text if rule == "keys" else str(f) for f in by_rule[rule][:_QUOTED])
        + ("; ..." if len(by_rule[rule]) > _QUOTED else "")
        for rule, start in table.items()
        if rule in by_rule
    ]
