"""Read the annotations of a COCO file one at a time into columns of numbers.

An issue in an annotation is kept as an ``EntryIssue``.
"""

from __future__ import annotations

import math
from array import array
from enum import IntEnum
from typing import Any

from condinst.datasets.coco.entry_issues import EntryIssue, short_repr
from condinst.datasets.coco.entry_values import (
    MAX_ID,
    MAX_SIDE,
    as_number,
    far_message,
    first_non_number,
    is_pair,
    missing_message,
    read_id,
    refuse,
)

__all__ = ["AnnotationColumns", "Segmentation"]

_MAX_AREA = float(MAX_SIDE) ** 2
_TYPED = frozenset(
    ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore", "segmentation")
)
_NEEDED = ("id", "image_id", "category_id", "bbox", "area")
_NEEDED_SET = frozenset(_NEEDED)
_NAN_BOX = [math.nan] * 4


class Segmentation(IntEnum):
    """The form in which an annotation stores its mask."""

    NONE = 0
    POLYGONS = 1
    SOME_DEGENERATE = 2  # at least one polygon is usable
    DEGENERATE = 3  # no polygon of 3 points or more with an even count of numbers
    RLE = 4
    UNCOMPRESSED_RLE = 5
    MALFORMED = 6


class AnnotationColumns:
    """Columns of annotations in the file's order, filled one annotation at a time.

    Args:
        issues: receives the issues of the annotations.
        keep_extras: whether to keep keys that COCO does not define.
    """

    def __init__(self, issues: list[EntryIssue], keep_extras: bool = False) -> None:
        self.issues, self.keep_extras = issues, keep_extras
        self.ids: list[Any] = []
        self.image_ids: list[Any] = []  # None without an id
        self.category_ids: list[Any] = []
        self.unknown: dict[tuple[str, int], Any] = {}  # unknown ids, by key and index
        self.boxes, self.areas = array("d"), array("d")
        self.crowd, self.ignore, self.no_crowd = bytearray(), bytearray(), bytearray()
        self.kinds, self.breaks = bytearray(), bytearray()
        self.coordinates = array("d")
        self.polygon_ends = array("q")  # indices into ``coordinates``
        self.last_polygons = array("q")  # number of polygons up to and with each annotation
        self.rles: dict[int, dict] = {}
        self.extras: dict[int, dict[str, Any]] = {}
        self._broken: list[str] = []

    def add(self, entry: Any) -> None:
        """Add one annotation."""
        index = len(self.ids)
        if type(entry) is not dict or "id" not in entry:
            self.ids.append(None)
            self._refuse_entry(entry, index)
            entry = {}
        else:
            self.ids.append(self._id(entry["id"], index))
            if not entry.keys() >= _NEEDED_SET:
                text = missing_message(entry, "annotations", index, _NEEDED)
                self.issues.append(EntryIssue("keys", "annotations", index, self.ids[-1], text))
        self.image_ids.append(self._reference(entry, "image_id"))
        self.category_ids.append(self._reference(entry, "category_id"))
        self._add_box(entry)
        self._add_area(entry)
        self.crowd.append(self._flag(entry, "iscrowd"))
        self.ignore.append(self._flag(entry, "ignore"))
        self.no_crowd.append(entry.get("iscrowd") is None)
        self.breaks.append(False)
        self.kinds.append(self._add_segmentation(entry.get("segmentation"), index))
        self.last_polygons.append(len(self.polygon_ends))
        if self.keep_extras and not entry.keys() <= _TYPED:
            self.extras[index] = {k: v for k, v in entry.items() if k not in _TYPED}

    def finish(self) -> None:
        """Raise ValueError if an entry was not an annotation."""
        refuse(self._broken)

    def issue(self, rule: str, text: str, index: int = -1, *, fixed: bool = False) -> None:
        """Note an issue of an annotation, by default of the latest."""
        index %= len(self.ids)
        self.issues.append(EntryIssue(rule, "annotations", index, self.ids[index], text, fixed))

    def _refuse_entry(self, entry: Any, index: int) -> None:
        self._broken.append(missing_message(entry, "annotations", index, _NEEDED))

    def _id(self, value: Any, index: int) -> Any:
        if type(value) is int and -MAX_ID < value < MAX_ID:
            return value
        try:
            key = read_id(value, f"annotations[{index}]")
        except ValueError as error:
            self._broken.append(str(error))
            return None
        if type(key) is not type(value):
            self.issues.append(
                EntryIssue("id", "annotations", index, key, f"got {short_repr(value)}", fixed=True)
            )
        return key

    def _reference(self, entry: dict, key: str) -> Any:
        """Return the id of an image or category; None if it is missing or unusable."""
        value = entry.get(key)
        if type(value) is int and -MAX_ID < value < MAX_ID:
            return value
        if key not in entry:
            return None
        try:
            return read_id(value, key)
        except ValueError:
            self.issue(key, f"expected a whole number or text, got {short_repr(value)}")
            return None

    def _add_box(self, entry: dict) -> None:
        box = entry.get("bbox")
        if type(box) is list and len(box) == 4:
            try:
                self.boxes.fromlist(box)
            except (TypeError, OverflowError):
                pass
            else:
                # comparisons are False for NaN and for infinity
                if all(-MAX_SIDE <= x <= MAX_SIDE for x in box):
                    return
                del self.boxes[-4:]
                far = all(math.isfinite(x) for x in box)
                self.issue(
                    "bbox",
                    far_message(box) if far else f"expected 4 number(s), got {short_repr(box)}",
                )
                self.boxes.extend(_NAN_BOX)
                return
            numbers = [as_number(x) for x in box]
            read = [x for x in numbers if x is not None and abs(x) <= MAX_SIDE]
            if len(read) == 4:
                self.issue("text", f"bbox {short_repr(box)}", fixed=True)
                self.boxes.fromlist(read)
                return
        if "bbox" in entry:
            self.issue("bbox", f"expected 4 number(s), got {short_repr(box)}")
        self.boxes.extend(_NAN_BOX)

    def _add_area(self, entry: dict) -> None:
        area = entry.get("area")
        number = area if type(area) is float else as_number(area)
        if number is not None and abs(number) <= _MAX_AREA:
            if type(area) is str:
                self.issue("text", f"area {short_repr(area)}", fixed=True)
            self.areas.append(number)
            return
        if "area" in entry:
            self.issue("area", f"expected 1 number(s) of pixels, got {short_repr(area)}")
        self.areas.append(math.nan)

    def _flag(self, entry: dict, key: str) -> bool:
        value = entry.get(key)
        if value is None or value is False or (type(value) in (int, float) and value == 0):
            return False
        if value is True or (type(value) in (int, float) and value == 1):
            return True
        if type(value) is str and value.strip().lower() in ("0", "1", "true", "false"):
            self.issue("flags", f"{key} {short_repr(value)}", fixed=True)
            return value.strip().lower() in ("1", "true")
        self.issue(key, f"expected 0 or 1, got {short_repr(value)}")
        return False

    def _add_segmentation(self, mask: Any, index: int) -> Segmentation:
        if mask is None or mask == []:
            self.breaks[index] = True
            return Segmentation.NONE
        if type(mask) is dict and mask:
            self.rles[index] = mask
            listed = isinstance(mask.get("counts"), list)
            return Segmentation.UNCOMPRESSED_RLE if listed else Segmentation.RLE
        if type(mask) is not list:
            return self._malformed(f"got {short_repr(mask)}")
        if len(mask) >= 3 and all(is_pair(point) for point in mask):
            mask = [mask]  # pairs are no polygons, so they are the points of one polygon
        elif len(mask) >= 6 and len(mask) % 2 == 0 and all(type(x) in (int, float) for x in mask):
            self.issue("flat", f"got {short_repr(mask)}", fixed=True)
            mask = [mask]
        before = len(self.coordinates), len(self.polygon_ends)
        degenerate, first = 0, 0
        for place, polygon in enumerate(mask):
            if type(polygon) is not list:
                return self._malformed(f"got {short_repr(mask)}", before)
            length = len(polygon)
            try:
                self.coordinates.fromlist(polygon)
            except (TypeError, OverflowError):
                numbers = self._fix_polygon(polygon, place)
                if numbers is None:
                    return self._malformed(
                        f"polygon {place}: expected numbers x1, y1, x2, y2, ..., got "
                        f"{first_non_number(polygon)}",
                        before,
                        rule="polygon",
                    )
                self.coordinates.fromlist(numbers)
                length = len(numbers)
            self.polygon_ends.append(len(self.coordinates))
            degenerate += length < 6 or length % 2
            first = first or length + 1
        if not degenerate:
            return Segmentation.POLYGONS
        # pycocotools goes by the first polygon and fails if it has up to four numbers
        self.breaks[index] = first - 1 <= 4
        some = degenerate < len(mask)
        return Segmentation.SOME_DEGENERATE if some else Segmentation.DEGENERATE

    def _fix_polygon(self, polygon: list, place: int) -> list[float] | None:
        """Return the numbers of a polygon written as pairs or as text; None if it is neither."""
        pairs = bool(polygon) and all(is_pair(point) for point in polygon)
        flat = [x for point in polygon for x in point] if pairs else polygon
        numbers = [as_number(x) for x in flat]
        read = [x for x in numbers if x is not None]
        if len(read) < len(flat):
            return None
        if pairs:
            self.issue("pairs", f"polygon {place}", fixed=True)
        if any(type(x) is str for x in flat):
            self.issue("text", f"polygon {place}", fixed=True)
        return read

    def _malformed(
        self, text: str, before: tuple[int, int] | None = None, rule: str = "segmentation"
    ) -> Segmentation:
        if before is not None:
            del self.coordinates[before[0] :]
            del self.polygon_ends[before[1] :]
        self.issue(rule, text)
        self.breaks[-1] = True
        return Segmentation.MALFORMED
