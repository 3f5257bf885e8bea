"""Hold the content of a COCO file as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.entry_issues import EntryIssue

__all__ = ["CocoFile"]


@dataclass(frozen=True)
class CocoFile:
    """The records of a COCO json: N images, A annotations, R polygons, in the file's order.

    Ids are whole numbers or text. An unusable value of an annotation is an entry of ``issues``, and
    is NaN in ``boxes`` and ``areas``, -1 in ``image_index`` and ``category_index``, and MALFORMED
    in ``segmentations``.

    Attributes:
        path: the file.
        problems: what makes the file unusable, one line for each rule.
        categories: (id, name) of each category.
        image_ids, file_names: N ids and file names.
        sizes: (N, 2) int64 heights and widths in pixels.
        has_annotations: whether the file has a list of annotations.
        fixes: which values differ between file and records, one line for each rule.
        issues: the problems and fixes of single entries.
        images, category_entries: the dicts of the file, with sound ids, names and sizes.
        head: the other keys of the file; empty unless extras are kept.
        ann_ids: A ids.
        image_index, category_index: (A,) indices into ``images`` and ``categories``; -1 if unknown.
        boxes: (A, 4) x, y, width, height in pixels.
        areas: (A,) the ``area`` values in square pixels.
        crowd, no_crowd, ignore: (A,) bool: ``iscrowd`` is 1; is missing; ``ignore`` is 1.
        segmentations: (A,) values of :class:`Segmentation`.
        breaks_segm_ap: (A,) bool: pycocotools fails to evaluate the mask.
        coordinates: the numbers of all polygons in a row: x1, y1, x2, y2, ... in pixels.
        polygon_ends: (R,) ends of the polygons in ``coordinates``.
        last_polygons: (A,) number of polygons up to and with each annotation.
        unknown: ("image_id" or "category_id", annotation) -> an id that does not exist.
        rles: annotation -> its RLE dict, as in the file.
        broken_rles: annotations whose RLE does not fit the image.
        extras: annotation -> its other keys; empty unless extras are kept.
    """

    path: str
    problems: list[str]
    categories: list[tuple[Any, str]]
    image_ids: list[Any]
    file_names: list[str]
    sizes: np.ndarray
    has_annotations: bool
    fixes: list[str] = field(default_factory=list)
    issues: list[EntryIssue] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    category_entries: list[dict[str, Any]] = field(default_factory=list)
    head: dict[str, Any] = field(default_factory=dict)
    ann_ids: list[Any] = field(default_factory=list)
    image_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    category_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    areas: np.ndarray = field(default_factory=lambda: np.zeros(0))
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    no_crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    ignore: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    segmentations: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    breaks_segm_ap: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    coordinates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    polygon_ends: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    last_polygons: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    unknown: dict[tuple[str, int], Any] = field(default_factory=dict)
    rles: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken_rles: set[int] = field(default_factory=set)
    extras: dict[int, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def without_mask(self) -> np.ndarray:
        """Return (A,) bool: whether an annotation has no segmentation, or one without a number."""
        found = self.segmentations == Segmentation.NONE
        for index in np.flatnonzero(self.segmentations == Segmentation.DEGENERATE).tolist():
            found[index] = not any(len(polygon) for polygon in self.polygons(index))
        return found

    def polygons(self, index: int) -> list[np.ndarray]:
        """Return views of an annotation's polygons, x1, y1, x2, y2, ... each, with short ones."""
        if self.segmentations[index] == Segmentation.MALFORMED:
            return []
        first = int(self.last_polygons[index - 1]) if index else 0
        ends = self.polygon_ends[first : self.last_polygons[index]].tolist()
        starts = [int(self.polygon_ends[first - 1]) if first else 0, *ends[:-1]]
        return [self.coordinates[a:b] for a, b in zip(starts, ends, strict=False)]

    def segmentation(self, index: int) -> list[list[float]] | dict[str, Any] | None:
        """Return an annotation's mask in COCO's form; None without a readable one."""
        if index in self.rles:
            return None if index in self.broken_rles else self.rles[index]
        return [polygon.tolist() for polygon in self.polygons(index)] or None

    def annotation(self, index: int) -> dict[str, Any]:
        """Return an annotation in COCO's form, with its extra keys.

        A missing or unusable image, category, box, area or mask is left out.
        """
        found = {"id": self.ann_ids[index]}
        image, category = int(self.image_index[index]), int(self.category_index[index])
        if image >= 0:
            found["image_id"] = self.image_ids[image]
        if category >= 0:
            found["category_id"] = self.categories[category][0]
        box, area = self.boxes[index].tolist(), float(self.areas[index])
        if box[0] == box[0]:  # not NaN
            found["bbox"] = box
        if area == area:
            found["area"] = area
        found["iscrowd"] = int(self.crowd[index])
        if self.ignore[index]:
            found["ignore"] = 1
        mask = self.segmentation(index)
        if mask is not None:
            found["segmentation"] = mask
        return {**self.extras.get(index, {}), **found}

    @cached_property
    def annotations_of_image(self) -> list[np.ndarray]:
        """Return N arrays with the annotations of each image."""
        order = np.argsort(self.image_index, kind="stable")
        places = np.arange(len(self.image_ids) + 1)
        return np.split(order, np.searchsorted(self.image_index[order], places))[1:-1]

    def to_coco(self) -> dict[str, Any]:
        """Return the file as COCO's dicts, without annotations of unknown images or categories.

        The dicts take ten times the memory of the records, which is too much for large files.
        """
        known = (self.image_index >= 0) & (self.category_index >= 0)
        return {
            **self.head,
            "images": self.images,
            "annotations": [self.annotation(i) for i in np.flatnonzero(known).tolist()],
            "categories": self.category_entries,
        }
