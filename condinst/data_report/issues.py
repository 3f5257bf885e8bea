"""Hold issues as they are found, and find those that need only the annotation file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from condinst.data_report.issue_types import KINDS, IssueType
from condinst.data_report.mask_measures import Masks
from condinst.data_report.report_source import ReportSource
from condinst.datasets.coco.coco_content import corners_for_sizes
from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.entry_issues import first_few
from condinst.utils.words import counted

__all__ = ["Issue", "Item", "find_in_file", "group"]

_SLIGHT = 0.01  # fraction of a mask; a crossing that affects less is harmless


@dataclass(frozen=True)
class Item:
    """One place of an issue.

    Attributes:
        annotation, image: indices into the file's lists, where they apply.
        detail: the values found there.
        file: path of an image that the annotation file does not list.
    """

    annotation: int | None = None
    image: int | None = None
    detail: str = ""
    file: str = ""


@dataclass(frozen=True)
class Issue:
    """All places of one kind of issue."""

    kind: IssueType
    items: list[Item]

    @property
    def annotations(self) -> list[int]:
        return list(dict.fromkeys(i.annotation for i in self.items if i.annotation is not None))

    @property
    def images(self) -> list[int]:
        return list(dict.fromkeys(i.image for i in self.items if i.image is not None))


def group(found: Iterable[tuple[str, Item]]) -> dict[str, Issue]:
    """Group (kind's key, item) pairs by kind, in the order of the catalog."""
    items: dict[str, list[Item]] = defaultdict(list)
    for key, item in found:
        items[key].append(item)
    return {key: Issue(kind, items[key]) for key, kind in KINDS.items() if key in items}


def find_in_file(source: ReportSource, masks: Masks) -> list[tuple[str, Item]]:
    """Return (kind's key, item) of the issues of ids, categories, masks and values."""
    found = [*_in_images(source), *_in_categories(source), *_in_ids(source)]
    found += _in_masks(source, masks)
    found += _in_values(source)
    for i in _repeated_annotations(source, masks):
        found.append(("same_annotation", _of(source, i)))
    return found


def _of(source: ReportSource, i: int, detail: str = "") -> Item:
    place = int(source.file.image_index[i])
    return Item(i, place if place >= 0 else None, detail)


def _in_images(source: ReportSource) -> list[tuple[str, Item]]:
    file = source.file
    found = [] if file.image_ids else [("no_images", Item())]
    if file.image_ids and file.has_annotations and not file.ann_ids:
        found.append(("no_annotations", Item()))
    found += [
        ("image_id_twice", Item(image=i, detail=f"id {file.image_ids[i]!r}"))
        for i in _later(file.image_ids)
    ]
    twice = {item.image for _, item in found}
    found += [
        ("image_file_twice", Item(image=i)) for i in _later(file.file_names) if i not in twice
    ]
    found += [
        ("flat_image", Item(image=issue.index, detail=issue.text))
        for issue in file.issues
        if issue.rule == "size"
    ]
    return found


def _later(values: Sequence[Hashable]) -> list[int]:
    """Return the indices of values that occur earlier in the sequence."""
    seen: set[Hashable] = set()
    later = []
    for i, value in enumerate(values):
        if value in seen:
            later.append(i)
        seen.add(value)
    return later


def _in_categories(source: ReportSource) -> list[tuple[str, Item]]:
    categories = source.file.categories
    ids, names = [c[0] for c in categories], [c[1] for c in categories]
    found = []
    by_id = _later(ids)
    found += [("category_id_twice", Item(detail=f"{ids[i]!r}: {names[i]!r}")) for i in by_id]
    found += [
        ("category_name_twice", Item(detail=f"{names[i]!r}: id {ids[i]!r}"))
        for i in _later(names)
        if i not in by_id
    ]
    if sorted(map(str, ids)) != sorted(str(i + 1) for i in range(len(ids))) and not by_id:
        found.append(("category_gaps", Item(detail=first_few(ids, 12))))
    used = np.bincount(source.file.category_index + 1, minlength=len(ids) + 1)[1:]
    if source.file.has_annotations:
        for i in np.flatnonzero(used == 0):
            found.append(("class_unused", Item(detail=names[i])))
    return found


def _in_ids(source: ReportSource) -> list[tuple[str, Item]]:
    file = source.file
    found = []
    reasons = {(f.index, f.rule): f"{f.rule}: {f.text}" for f in file.issues}
    for key, name, index in (
        ("unknown_image", "image_id", file.image_index),
        ("unknown_category", "category_id", file.category_index),
    ):
        for i in np.flatnonzero(index < 0).tolist():
            detail = reasons.get((i, name)) or f"{name} {file.unknown.get((name, i), 'missing')!r}"
            found.append((key, _of(source, i, detail)))
    for i in _later(file.ann_ids):
        found.append(("annotation_id_twice", _of(source, i, f"id {file.ann_ids[i]!r}")))
    found += [("no_crowd_flag", _of(source, i)) for i in np.flatnonzero(file.no_crowd).tolist()]
    return found


def _in_values(source: ReportSource) -> list[tuple[str, Item]]:
    """Return the values that reading fixed, unreadable flags, and boxes written as corners."""
    found = []
    for issue in source.file.issues:
        detail = f"{issue.where}[{issue.index}]: {issue.text}"
        if issue.where == "annotations":
            item = _of(source, issue.index, detail)
        else:
            item = Item(image=issue.index if issue.where == "images" else None, detail=detail)
        if issue.fixed:
            found.append(("other_type", item))
        elif issue.rule in ("iscrowd", "ignore"):
            found.append(("wrong_flag", _of(source, issue.index, f"{issue.rule}: {issue.text}")))
    found += [("corner_boxes", Item(detail=text)) for text in corners_for_sizes(source.file)]
    return found


def _in_masks(source: ReportSource, masks: Masks) -> list[tuple[str, Item]]:
    found = []
    lacking = np.flatnonzero(source.file.segmentations == Segmentation.NONE).tolist()
    # a file of only boxes is meant for BoxInst
    if len(lacking) < source.num_annotations and not source.allow_box_only:
        found += [("no_mask", _of(source, i)) for i in lacking]
    found += [("malformed_mask", _of(source, i, why)) for i, why in masks.malformed.items()]
    found += [("mask_size", _of(source, i, why)) for i, why in masks.other_size.items()]
    found += [("empty_mask", _of(source, i)) for i in masks.empty]
    for key, places in (("short_polygon", masks.short), ("flat_polygon", masks.flat)):
        for i, place in places:
            polygon = source.file.polygons(i)[place]
            detail = f"polygon {place + 1}: {counted(len(polygon) // 2, 'point')}"
            found.append((key, _of(source, i, detail)))
    for crossing in sorted(masks.crossings, key=lambda crossing: -crossing.fraction):
        key = "crossing" if crossing.fraction > _SLIGHT else "crossing_slightly"
        x, y = crossing.at
        detail = f"polygon {crossing.place + 1} at {x:.1f}, {y:.1f}: {crossing.fraction:.1%} of it"
        found.append((key, _of(source, crossing.annotation, detail)))
    return found


def _repeated_annotations(source: ReportSource, masks: Masks) -> list[int]:
    """Return annotations with the image, class and mask (without masks: box) of earlier ones."""
    file = source.file
    boxes = np.where(np.isnan(masks.boxes), file.boxes, masks.boxes)
    number = np.arange(len(boxes))
    rows = np.column_stack(
        [file.image_index, file.category_index, file.crowd, masks.num_points, boxes]
    )
    known = (file.image_index >= 0) & np.isfinite(boxes).all(axis=1)
    rows, number = rows[known], number[known]
    if not len(rows):
        return []
    _, inverse = np.unique(rows, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    shared = np.bincount(inverse)[inverse] > 1
    seen: dict[int, list[Any]] = defaultdict(list)
    repeated = []
    for key, i in zip(inverse[shared].tolist(), number[shared].tolist(), strict=True):
        mask = _mask_key(source, i)
        if mask in seen[key]:
            repeated.append(i)
        else:
            seen[key].append(mask)
    return repeated


def _mask_key(source: ReportSource, i: int) -> Any:
    """Return a key that is equal for masks written alike."""
    mask = source.mask(i)
    if isinstance(mask, dict):
        return repr((mask["size"], mask["counts"]))
    return [polygon.tobytes() for polygon in mask or ()]
