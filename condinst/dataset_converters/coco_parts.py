"""COCO files of one split: one file, or several that are joined."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condinst.dataset_converters.class_names import spelling_key
from condinst.dataset_converters.coco_images import image_folder
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.split import Sample
from condinst.dataset_converters.unread import unread_images
from condinst.datasets.coco.entry_issues import CROWDS_HELP, first_few

__all__ = [
    "CocoPart",
    "CocoSplit",
    "check_found",
    "check_joined",
    "check_spelling",
    "sentence_on_crowds",
]

_MANY_CROWDS = 0.05  # of the annotations; COCO itself has 1%


@dataclass
class CocoPart:
    """One annotation file and the places of its N images."""

    path: Path
    data: Any  # CocoFile
    places: list[str | None]  # N paths relative to the dataset's folder; None for a missing image
    samples: list[Sample | None]  # N; None for a missing image
    resized: bool = False  # some heights and widths are not those of the file


class CocoSplit:
    """The files of one split.

    Attributes:
        name: train, val or test; "" for a dataset without splits.
        parts: the files.
        path: the only file, or the folder of several, for messages.
        img_dir: the folder of the images.
        found: for each part, file names relative to ``img_dir``; None for a missing image.
        unchanged: there is one file, and every image is at the file_name in it and of its size.
        samples: the images of all parts; None for a missing one.
        missing: file names of the missing images.
    """

    def __init__(self, name: str, root: Path, parts: Sequence[CocoPart]) -> None:
        self.name, self.parts = name, list(parts)
        self.path = parts[0].path if len(parts) == 1 else root
        places = [place for part in parts for place in part.places]
        names = [file_name for part in parts for file_name in part.data.file_names]
        img_dir, exact = image_folder(places, names)
        self.img_dir, self.unchanged = root / img_dir, exact and len(parts) == 1
        self.unchanged &= not parts[0].resized
        self.found = [
            [None if p is None else os.path.relpath(p, img_dir or ".") for p in part.places]
            for part in parts
        ]
        self.samples = [sample for part in parts for sample in part.samples]
        self.missing = [n for n, place in zip(names, places, strict=True) if place is None]

    @property
    def num_images(self) -> int:
        return sum(len(part.data.image_ids) for part in self.parts)

    @property
    def num_annotations(self) -> int:
        return sum(len(part.data.ann_ids) for part in self.parts)


def check_joined(root: Path, parts: Sequence[CocoPart]) -> None:
    """Check that several files can be one dataset.

    Raises:
        ValueError: an image is in two files.
    """
    first: dict[str, Path] = {}
    both = []
    for part in parts:
        for place in part.places:
            other = first.setdefault(place, part.path) if place is not None else part.path
            if other != part.path:
                both.append((place, other, part.path))
    if both:
        place, one, other = both[0]
        raise ValueError(
            f"{root}: {len(both)} images are in several COCO files: {place} in "
            f"{_short(one, root)} and {_short(other, root)}. Use --data FILE with one of them, or "
            "leave each image in one file"
        )


def check_spelling(root: Path, parts: Sequence[CocoPart]) -> None:
    """Check that the files of a dataset, of one split or of several, spell their classes alike.

    Raises:
        ValueError: names of categories of two files differ by case or spaces only.
    """
    spelled: dict[str, dict[str, Path]] = {}
    for part in parts:
        for _, name in part.data.categories:
            key = spelling_key(str(name))
            spelled.setdefault(key, {}).setdefault(str(name), part.path)
    for names in spelled.values():
        if len(set(names.values())) > 1:
            listed = ", ".join(f"{name!r} in {_short(path, root)}" for name, path in names.items())
            raise ValueError(
                f"{root}: categories of several COCO files differ by case or spaces only: "
                f"{listed}; give them one name"
            )


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def sentence_on_crowds(split: CocoSplit) -> str | None:
    """Return how many annotations are crowds; None without any.

    Raises:
        ValueError: all annotations are crowds, and the split is not one for tests.
    """
    number = split.num_annotations
    crowds = sum(int(part.data.crowd.sum()) for part in split.parts)
    if crowds == number > 0 and split.name != "test":
        raise ValueError(
            f"{split.path}: all of its {number} annotations are crowds (iscrowd 1), which are "
            f"not learned from. {CROWDS_HELP}"
        )
    if not crowds:
        return None
    return (
        f"{split.path}: {crowds} of {number} annotations are crowds (iscrowd 1), which are "
        "not learned from." + (f" {CROWDS_HELP}" if crowds > _MANY_CROWDS * number else "")
    )


def check_found(parts: Sequence[CocoPart], folder: Folder) -> None:
    """Refuse the files of a split of which no image is found."""
    if any(place is not None for part in parts for place in part.places):
        return
    missing = [file_name for part in parts for file_name in part.data.file_names]
    raise ValueError(
        f"{parts[0].path}: none of its images is in {folder.root} ({len(folder.images)} images "
        f"there); expected {first_few(missing)}. "
        + (
            f"The folder has {unread}"
            if (unread := unread_images(folder)) is not None
            else "Put json and images below one folder and give that with --data"
        )
    )
