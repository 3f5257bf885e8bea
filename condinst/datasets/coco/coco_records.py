"""What a COCO file holds, as arrays."""

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
    """The records of a COCO json. N images, A annotations, R polygons, in the file's order.

    Ids are whole numbers or text, names text, sizes whole numbers. What an annotation has that
    cannot be used is NaN in ``boxes`` and ``areas``, -1 in the two indices, MALFORMED in
    ``segmentations``, and one of ``faults``.

    Attributes:
        problems: what keeps the file from being used, one line for each rule.
        repairs: what stands in the file otherwise than in the records, one line for each rule.
        faults: both, entry by entry.
        images, category_entries: the dicts of the file, with sound ids, names and sizes.
        head: what the file has beside its three lists; empty unless extras are kept.
        image_index, category_index: (A,) places in ``images`` and ``categories``; -1: none.
        unknown: ids that no image or category has, by ("image_id" or "category_id", annotation).
        boxes: (A, 4) x, y, width, height.
        coordinates: of all polygons in a row: x1, y1, x2, y2, ...
        polygon_ends: (R,) ends of the polygons in ``coordinates``.
        last_polygons: (A,) number of polygons up to and with each annotation's.
        codes: the RLE dicts by annotation, as in the file.
        broken_codes: annotations whose RLE does not fit its image.
        extras: other keys by annotation; empty unless extras are kept.
    """

    path: str
    problems: list[str]
    categories: list[tuple[Any, str]]  # (id, name)
    image_ids: list[Any]  # N
    file_names: list[str]  # N
    sizes: np.ndarray  # (N, 2) height, width, int64
    has_annotations: bool
    repairs: list[str] = field(default_factory=list)
    faults: list[EntryIssue] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    category_entries: list[dict[str, Any]] = field(default_factory=list)
    head: dict[str, Any] = field(default_factory=dict)
    ann_ids: list[Any] = field(default_factory=list)  # A
    image_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    category_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    areas: np.ndarray = field(default_factory=lambda: np.zeros(0))
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    no_crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # no iscrowd there
    ignore: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    segmentations: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    breaks_segm_ap: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    coordinates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    polygon_ends: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    last_polygons: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    unknown: dict[tuple[str, int], Any] = field(default_factory=dict)
    codes: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken_codes: set[int] = field(default_factory=set)
    extras: dict[int, dict[str, Any]] = field(default_factory=dict)

    def polygons(self, index: int) -> list[np.ndarray]:
        """An annotation's polygons, x1, y1, x2, y2, ... each; views, short ones too."""
        if self.segmentations[index] == Segmentation.MALFORMED:
            return []
        first = int(self.last_polygons[index - 1]) if index else 0
        ends = self.polygon_ends[first : self.last_polygons[index]].tolist()
        starts = [int(self.polygon_ends[first - 1]) if first else 0, *ends[:-1]]
        return [self.coordinates[a:b] for a, b in zip(starts, ends, strict=False)]

    def segmentation(self, index: int) -> list[list[float]] | dict[str, Any] | None:
        """An annotation's mask as COCO writes it; None where there is none that can be read."""
        if index in self.codes:
            return None if index in self.broken_codes else self.codes[index]
        return [polygon.tolist() for polygon in self.polygons(index)] or None

    def annotation(self, index: int) -> dict[str, Any]:
        """An annotation as COCO writes it, with its extra keys.

        What it lacks, or has unusably, is left out: its image, category, box, area or mask.
        """
        found = {"id": self.ann_ids[index]}
        image, category = int(self.image_index[index]), int(self.category_index[index])
        if image >= 0:
            found["image_id"] = self.image_ids[image]
        if category >= 0:
            found["category_id"] = self.categories[category][0]
        box, area = self.boxes[index].tolist(), float(self.areas[index])
        if box[0] == box[0]:
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
        """N arrays: the annotations of each image."""
        order = np.argsort(self.image_index, kind="stable")
        places = np.arange(len(self.image_ids) + 1)
        return np.split(order, np.searchsorted(self.image_index[order], places))[1:-1]

    def to_coco(self) -> dict[str, Any]:
        """The whole file as COCO's dicts, without annotations of unknown images or categories.

        For small files: a large one takes ten times its records' memory so.
        """
        known = (self.image_index >= 0) & (self.category_index >= 0)
        return {
            **self.head,
            "images": self.images,
            "annotations": [self.annotation(i) for i in np.flatnonzero(known).tolist()],
            "categories": self.category_entries,
        }
