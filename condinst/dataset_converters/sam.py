"""Read Segment Anything's json: one file per image, masks without classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import NamedImages
from condinst.dataset_converters.outlines import segmentation_object
from condinst.dataset_converters.records import ONE_CLASS, AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_sam", "read_sam"]


def find_sam(folder: Folder) -> list[str]:
    """Return the folder's files of Segment Anything, relative to the folder."""
    return folder.json_kinds.get("sam", [])


def read_sam(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read each mask as an instance of one class.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    notes.say(f"Segment Anything's masks have no classes: the only class is {ONE_CLASS!r}.")
    return AnnotationSource("sam", _read_all(folder, files, notes), {ONE_CLASS: ONE_CLASS})


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[ImageRecord]:
    images = NamedImages(folder, notes)
    for file in files:
        path = folder.root / file
        data = read_json(path)
        head = data.get("image") if isinstance(data, dict) else None
        entries = data.get("annotations") if isinstance(data, dict) else None
        stated = head.get("file_name") if isinstance(head, dict) else None
        if not isinstance(stated, str) or not stated.isprintable() or not isinstance(entries, list):
            raise ValueError(
                f"{path}: not Segment Anything's layout: expected image with a file_name, and "
                "annotations"
            )
        name = images.find(file, stated, os.path.dirname(file))
        if name is None:
            continue
        height, width = image_size(folder.root / name)
        objects = []
        for number, entry in enumerate(entries):
            where = f"{path}: annotations[{number}]"
            mask: Any = entry.get("segmentation") if isinstance(entry, dict) else None
            if mask is None:
                raise ValueError(f"{where}: expected a segmentation, got {short_repr(entry)}")
            try:
                found = segmentation_object(ONE_CLASS, mask, height, width)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if found is None:
                notes.count("Objects that cover no pixel, left out", where)
            else:
                objects.append(found)
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        split = stated_split(os.path.dirname(name))
        yield ImageRecord(folder.root / name, height, width, objects, split)
    images.count_others("no json of Segment Anything")
