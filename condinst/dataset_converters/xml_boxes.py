"""Tell whether the boxes of Pascal VOC's xml count pixels from 1 or from 0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from condinst.dataset_converters.records import Notes
from condinst.dataset_converters.xml_files import child_text, number, read_xml

__all__ = ["first_pixel"]


def first_pixel(paths: Sequence[Path], notes: Notes) -> int:
    """Return 1 if boxes count pixels from 1, as VOC's own do, and 0 otherwise.

    VOC's boxes hold their last pixel: xmin 1 and xmax W cover an image of width W. That is assumed
    where all numbers are whole, none is 0, some begin at 1 and some end at the image's width or
    height. LabelImg writes no 0 either, but its boxes count from 0; it names no database.

    Raises:
        ValueError: a file is broken.
    """
    boxes = zeros = ones = ends = fractions = unknown = 0
    for path in paths:
        root = read_xml(path)
        sides = _numbers(root.find("size"), ("width", "height"))
        unknown += child_text(root, "source/database") == "Unknown"
        for entry in root.findall("object"):
            corners = _numbers(entry.find("bndbox"), ("xmin", "ymin", "xmax", "ymax"))
            if entry.find("polygon") is not None or len(corners) < 4:
                continue
            boxes += 1
            zeros += min(corners[:2]) < 1
            ones += min(corners[:2]) == 1
            fractions += not all(corner.is_integer() for corner in corners)
            ends += any(side == end for side, end in zip(sides, corners[2:], strict=False))
    if not boxes:
        return 0
    counted = "of {} boxes, {} begin at 1, none at 0, and {} end at the image's width or height"
    if ones and ends and not (zeros or fractions or unknown):
        notes.say(
            f"The boxes count pixels from 1, as VOC's own do: {counted.format(boxes, ones, ends)}."
            " 1 is subtracted from xmin and ymin."
        )
        return 1
    if not zeros and not fractions:
        why = "as LabelImg's do" if unknown else "which their numbers do not tell"
        notes.say(
            f"The boxes are taken to count pixels from 0, {why}; if they count from 1, as VOC's "
            "own do, xmin and ymin are a pixel too large."
        )
    return 0


def _numbers(parent: Element | None, names: Sequence[str]) -> list[float]:
    """Return the numbers of an element's children; none if one of them is no number."""
    try:
        return [] if parent is None else [number(child_text(parent, name), "") for name in names]
    except ValueError:  # the reader of objects names the place
        return []
