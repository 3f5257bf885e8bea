"""Read Cityscapes' instance ids: 16-bit PNGs with the values class * 1000 + instance number.

A value below 1000 is a class number: stuff, or a group of instances that were not separated. Such
a group becomes a crowd if the class has instances.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from condinst.dataset_converters.class_names import (
    CLASS_FILES,
    number_name,
    stated_classes,
    unnamed,
)
from condinst.dataset_converters.class_tables import CITYSCAPES_CLASSES
from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import mask_and_size
from condinst.dataset_converters.mask_pairs import find_pairs
from condinst.dataset_converters.outlines import label_map_rles, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Label, Notes

__all__ = ["find_cityscapes", "read_cityscapes"]

_ENDING = re.compile(r"_?(gtFine|gtCoarse)?_?instanceIds$")
_OTHER_ENDINGS = (
    "instanceIds",
    "labelIds",
    "color",
    "TrainIds",
    "instanceTrainIds",
    "labelTrainIds",
)


def find_cityscapes(folder: Folder) -> list[str]:
    """Return the instance id files, relative to the root; the fine ones if there are both."""
    found = [
        f for f in folder.with_suffix(".png") if os.path.splitext(f)[0].endswith("instanceIds")
    ]
    return [f for f in found if "gtCoarse" not in f] or found


def read_cityscapes(folder: Folder, files: Sequence[str], notes: Notes) -> AnnotationSource:
    """Read instance id files; without any, pairs of an image and a label map.

    Raises:
        ValueError: a file cannot be read, or its size is not the image's.
    """
    pairs = list(_pairs(folder, files, notes)) if files else find_pairs(folder).maps
    genuine = any("_gtFine_" in file or "_gtCoarse_" in file for file in files)
    classes = stated_classes(folder, notes) or (CITYSCAPES_CLASSES if genuine else None)
    if classes is CITYSCAPES_CLASSES:
        notes.say("The classes are Cityscapes' 8 that have instances.")
    elif classes is None:
        notes.say(f"None of {', '.join(CLASS_FILES)} is there: classes are named by their numbers.")
    images = _read_all(folder, pairs, classes, notes)
    return AnnotationSource("cityscapes", images, classes, number_name)


def _pairs(folder: Folder, files: Sequence[str], notes: Notes) -> Iterator[tuple[str, str]]:
    stems: dict[str, list[str]] = {}
    for image in folder.images:
        stem = os.path.splitext(os.path.basename(image))[0]
        if not stem.endswith(_OTHER_ENDINGS):
            stems.setdefault(stem.removesuffix("_leftImg8bit"), []).append(image)
    for file in files:
        stem = _ENDING.sub("", os.path.splitext(os.path.basename(file))[0])
        found = stems.get(stem, [])
        split = stated_split(os.path.dirname(file))
        same = [p for p in found if stated_split(os.path.dirname(p)) == split] or found
        if len(same) == 1:
            yield same[0], file
        elif same:
            raise ValueError(f"{folder.root / file}: several images fit: {', '.join(same[:3])}")
        else:
            notes.miss("Instance ids without an image, left out", file)


def _read_all(
    folder: Folder,
    pairs: Sequence[tuple[str, str]],
    classes: dict[Label, str] | None,
    notes: Notes,
) -> Iterator[ImageRecord]:
    for name, mask in pairs:
        labels, size = mask_and_size(folder.root / mask, folder.root / name)
        objects = []
        for value, rle in label_map_rles(labels).items():
            label = value if value < 1000 else value // 1000
            if classes is not None and label not in classes:
                if value >= 1000 and classes is CITYSCAPES_CLASSES:
                    notes.count(f"Objects of class {label}, which is not evaluated, left out", mask)
                elif value >= 1000:
                    notes.count(unnamed(label), mask)
                if value < 1000 or classes is CITYSCAPES_CLASSES:
                    continue
            instance = rle_object(label, rle, crowd=value < 1000)
            if instance is not None:
                objects.append(instance)
        yield ImageRecord(folder.root / name, *size, objects, stated_split(os.path.dirname(mask)))
