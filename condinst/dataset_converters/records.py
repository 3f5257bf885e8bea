"""What an import gives, and what the readers of the formats hand on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PARTS", "Imported", "Label", "Notes", "ImageRecord", "AnnotationSource", "DatasetPart"]

Label = int | str
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class DatasetPart:
    """One part of a dataset, in COCO's layout."""

    ann_file: Path
    img_dir: Path  # absolute; the json's file_name is relative to it
    num_images: int
    num_annotations: int


@dataclass(frozen=True)
class Imported:
    """A dataset that training can use."""

    format: str
    train: DatasetPart
    val: DatasetPart
    test: DatasetPart | None
    classes: tuple[str, ...]  # in the order of the json's categories
    notes: tuple[str, ...]  # every decision, and everything that was left out
    seed: int | None  # of the split that was made here; None: the source had one


@dataclass(frozen=True)
class ImageRecord:
    """An image and its objects, as a reader found them.

    ``objects`` are COCO annotations without ids: ``label`` (a key of the source's classes),
    ``segmentation`` (polygons, RLE with a string, or absent where only the box is known), ``bbox``
    (x, y, width, height), ``area`` and ``iscrowd``.
    """

    path: Path
    height: int
    width: int
    objects: list[dict[str, Any]]
    part: str | None  # None: the source says nothing


@dataclass(frozen=True)
class AnnotationSource:
    """Images of one format, read while they are asked for."""

    format: str
    images: Iterable[ImageRecord]
    classes: dict[Label, str] | None  # label -> name, in order; None: those that occur, sorted
    name_of: Callable[[Any], str] = str  # of a label, where ``classes`` is None


@dataclass
class Notes:
    """Sentences on an import; equal faults are counted and get one sentence."""

    _facts: list[str] = field(default_factory=list)
    _faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def say(self, sentence: str) -> None:
        """A decision. Said once, however often it is repeated."""
        if sentence not in self._facts:
            self._facts.append(sentence)

    def count(self, fault: str, where: str) -> None:
        """One more case of ``fault``; ``where`` is the file, and the place in it."""
        self._faults[fault].append(where)

    def count_of(self, fault: str) -> int:
        """How often it was counted."""
        return len(self._faults.get(fault, ()))

    def sentences(self) -> tuple[str, ...]:
        """Decisions in their order, then ``fault: number (first places)``."""
        faults = [f"{fault}: {_numbered(places)}" for fault, places in self._faults.items()]
        return (*self._facts, *faults)


def _numbered(places: list[str], limit: int = 5) -> str:
    names = list(dict.fromkeys(places))
    more = ", ..." if len(names) > limit else ""
    return f"{len(places)} ({', '.join(names[:limit])}{more})"
