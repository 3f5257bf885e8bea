"""The records that the format readers return, and the result of an import."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "EVERY_CLASS",
    "ONE_CLASS",
    "SPLITS",
    "Imported",
    "Label",
    "Notes",
    "ImageRecord",
    "AnnotationSource",
    "DatasetSplit",
]

Label = int | str
SPLITS = ("train", "val", "test")
ONE_CLASS = "object"  # the name of the class where the data have no names
EVERY_CLASS = "\0every class"  # the label of a crowd region in which nothing counts


@dataclass(frozen=True)
class DatasetSplit:
    """One split of a dataset, in COCO's layout."""

    ann_file: Path
    img_dir: Path  # absolute; the file_name entries of the json are relative to it
    num_images: int
    num_annotations: int
    source: Path  # the user's file or folder that it was read from, for messages


@dataclass(frozen=True)
class Imported:
    """A dataset that training can use.

    Attributes:
        format: the source's format, a key of ``FORMATS``.
        train, val, test: the splits; a source without a test split has None for it.
        classes: the class names, in the order of the json's categories.
        notes: sentences on every decision and on everything that was left out.
        seed: seed of the split that was made here; None if the source had a split.
        warnings: sentences that a user has to see, such as on many missing images.
    """

    format: str
    train: DatasetSplit
    val: DatasetSplit
    test: DatasetSplit | None
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageRecord:
    """An image and its objects, as a reader found them.

    Attributes:
        path: the image file.
        height, width: the size in pixels, in the orientation of the annotations.
        objects: COCO annotations without ids: ``label`` (a key of the source's classes),
            ``segmentation`` (polygons, RLE whose counts are text, or absent where only the box is
            known), ``bbox`` (x, y, width, height), ``area`` and ``iscrowd``. ``rectangle`` is True
            where the outline is a rectangle that may stand for a box.
        split: train, val or test; None if the source does not say.
    """

    path: Path
    height: int
    width: int
    objects: list[dict[str, Any]]
    split: str | None


@dataclass(frozen=True)
class AnnotationSource:
    """The images of one dataset, each read when the iterator reaches it.

    Attributes:
        format: a key of ``FORMATS``.
        images: the images, as an iterable that can be read once.
        classes: label -> class name, in order; other labels that occur follow, sorted.
        name_of: returns the class name of a label that ``classes`` lacks.
    """

    format: str
    images: Iterable[ImageRecord]
    classes: dict[Label, str] | None
    name_of: Callable[[Any], str] = str


@dataclass
class Notes:
    """Collect the sentences on an import; equal issues are counted and share one sentence.

    Attributes:
        warnings: the sentences that a user has to see.
        missing: the names of missing images.
    """

    warnings: list[str] = field(default_factory=list)
    missing: dict[str, None] = field(default_factory=dict)
    _facts: list[str] = field(default_factory=list)
    _issues: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _joined: list[int] = field(default_factory=lambda: [0, 0])  # shapes, instances

    def say(self, sentence: str) -> None:
        """Add a sentence on a decision; a repeated sentence is kept once."""
        if sentence not in self._facts:
            self._facts.append(sentence)

    def count(self, issue: str, where: str) -> None:
        """Count one more case of ``issue``; ``where`` names the file and the place in it."""
        self._issues[issue].append(where)

    def miss(self, issue: str, where: str) -> None:
        """Count one more case of ``issue``, annotations whose image ``where`` is missing."""
        self.count(issue, where)
        self.missing[where] = None

    def warn(self, sentence: str) -> None:
        """Add a sentence that a user has to see."""
        self.warnings.append(sentence)

    def join(self, shapes: int) -> None:
        """Count shapes that were joined to one instance because they share a group."""
        self._joined[0] += shapes
        self._joined[1] += 1

    def count_of(self, issue: str) -> int:
        """Return how often an issue was counted."""
        return len(self._issues.get(issue, ()))

    def sentences(self) -> tuple[str, ...]:
        """Return the decisions in their order, then ``issue: number (first places)``."""
        issues = [f"{issue}: {_numbered(places)}" for issue, places in self._issues.items()]
        joined: tuple[str, ...] = ()
        if self._joined[0]:
            joined = (
                f"{self._joined[0]} shapes joined into {self._joined[1]} instances, as they share "
                "image, label and group; if they are separate objects, remove their group.",
            )
        return (*self._facts, *joined, *issues)


def _numbered(places: list[str], limit: int = 5) -> str:
    names = list(dict.fromkeys(places))
    more = ", ..." if len(names) > limit else ""
    return f"{len(places)} ({', '.join(names[:limit])}{more})"
