"""Cityscapes' instance ids: a 16-bit PNG whose values are class * 1000 + number of the instance.

A value below 1000 is a class by itself: stuff, or a group of instances that were not told apart,
which becomes a crowd where the class has instances.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from condinst.dataset_converters.folder import Folder, read_json, read_yaml, stated_part
from condinst.dataset_converters.label_maps import find_label_maps, mask_and_size
from condinst.dataset_converters.outlines import check_label, label_map_codes, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Label, Notes
from condinst.datasets.coco.entry_issues import shown

__all__ = ["find_cityscapes", "read_cityscapes"]

_CLASSES: dict[Label, str] = {  # those that Cityscapes evaluates as instances
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
_ENDING = re.compile(r"_?(gtFine|gtCoarse)?_?instanceIds$")
_OTHER_ENDINGS = (
    "instanceIds",
    "labelIds",
    "color",
    "TrainIds",
    "instanceTrainIds",
    "labelTrainIds",
)
_CLASS_FILES = ("classes.json", "labels.json", "classes.yaml", "classes.yml", "labels.yaml")


def find_cityscapes(folder: Folder) -> list[str]:
    """The instance id files, relative to the root; the fine ones where there are both."""
    found = [
        f for f in folder.with_suffix(".png") if os.path.splitext(f)[0].endswith("instanceIds")
    ]
    return [f for f in found if "gtCoarse" not in f] or found


def read_cityscapes(folder: Folder, files: Sequence[str], notes: Notes) -> AnnotationSource:
    """The dataset of these files; of pairs of an image and a mask where there are none.

    Raises:
        ValueError: a file is not readable, or of another size than its image.
    """
    pairs = list(_pairs(folder, files, notes)) if files else find_label_maps(folder)
    genuine = any("_gtFine_" in file or "_gtCoarse_" in file for file in files)
    classes = _stated_classes(folder, notes) or (_CLASSES if genuine else None)
    if classes is _CLASSES:
        notes.say("The classes are Cityscapes' 8 that have instances.")
    elif classes is None:
        notes.say(
            f"None of {', '.join(_CLASS_FILES)} is there: classes are named by their numbers."
        )
    images = _read_all(folder, pairs, classes, notes)
    return AnnotationSource("cityscapes", images, classes, lambda label: f"class_{label}")


def _pairs(folder: Folder, files: Sequence[str], notes: Notes) -> Iterator[tuple[str, str]]:
    stems: dict[str, list[str]] = {}
    for image in folder.images:
        stem = os.path.splitext(os.path.basename(image))[0]
        if not stem.endswith(_OTHER_ENDINGS):
            stems.setdefault(stem.removesuffix("_leftImg8bit"), []).append(image)
    for file in files:
        stem = _ENDING.sub("", os.path.splitext(os.path.basename(file))[0])
        found = stems.get(stem, [])
        part = stated_part(os.path.dirname(file))
        same = [p for p in found if stated_part(os.path.dirname(p)) == part] or found
        if len(same) == 1:
            yield same[0], file
        elif same:
            raise ValueError(f"{folder.root / file}: several images fit: {', '.join(same[:3])}")
        else:
            notes.count("Instance ids without an image, left out", file)


def _stated_classes(folder: Folder, notes: Notes) -> dict[Label, str] | None:
    """Of the first file that is named for it: {number: name}, {name: number}, or a list of names,
    or of dicts with ``id`` and ``name``."""
    for name in _CLASS_FILES:
        for file in folder.files_named(name):
            path = folder.root / file
            data = read_json(path) if name.endswith("json") else read_yaml(path)
            classes = _classes_in(data)
            if classes is None:
                raise ValueError(
                    f"{path}: expected class numbers and names, {{number: name}} or a list of "
                    f"{{id, name}}, got {shown(data)}"
                )
            notes.say(f"Class numbers and names are those of {path}.")
            return classes
    return None


def _classes_in(data: Any) -> dict[Label, str] | None:
    pairs: list[tuple[Any, Any]]
    if isinstance(data, dict):
        pairs = [(v, k) if isinstance(v, int) else (k, v) for k, v in data.items()]
    elif isinstance(data, list) and all(isinstance(entry, dict) for entry in data):
        pairs = [(entry.get("id"), entry.get("name")) for entry in data]
    elif isinstance(data, list):
        pairs = list(enumerate(data))
    else:
        return None
    try:
        if not all(check_label(name) for _, name in pairs):
            return None
        return dict(sorted((int(number), str(name)) for number, name in pairs)) or None
    except (TypeError, ValueError, OverflowError):
        return None


def _read_all(
    folder: Folder,
    pairs: Sequence[tuple[str, str]],
    classes: dict[Label, str] | None,
    notes: Notes,
) -> Iterator[ImageRecord]:
    for name, mask in pairs:
        labels, size = mask_and_size(folder.root / mask, folder.root / name)
        objects = []
        for value, code in label_map_codes(labels).items():
            label = value if value < 1000 else value // 1000
            if classes is not None and label not in classes:
                if value >= 1000:
                    notes.count(f"Objects of class {label}, which has no name, left out", mask)
                continue
            instance = rle_object(label, code, crowd=value < 1000)
            if instance is not None:
                objects.append(instance)
        yield ImageRecord(folder.root / name, *size, objects, stated_part(os.path.dirname(mask)))
