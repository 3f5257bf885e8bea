"""Read Cityscapes' instance ids: 16-bit PNGs with the values class * 1000 + instance number.

A value below 1000 is a class number: stuff, or a group of instances that were not separated. Such
a group becomes a crowd if the class has instances.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from condinst.dataset_converters.folder import Folder, read_json, read_yaml, stated_split
from condinst.dataset_converters.label_maps import find_label_maps, mask_and_size
from condinst.dataset_converters.outlines import check_label, label_map_rles, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Label, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_cityscapes", "read_cityscapes"]

_CLASSES: dict[Label, str] = {  # the classes that Cityscapes evaluates as instances
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
        split = stated_split(os.path.dirname(file))
        same = [p for p in found if stated_split(os.path.dirname(p)) == split] or found
        if len(same) == 1:
            yield same[0], file
        elif same:
            raise ValueError(f"{folder.root / file}: several images fit: {', '.join(same[:3])}")
        else:
            notes.count("Instance ids without an image, left out", file)


def _stated_classes(folder: Folder, notes: Notes) -> dict[Label, str] | None:
    """Read number -> name from the first class file.

    The file holds {number: name}, {name: number}, a list of names, or a list of dicts with ``id``
    and ``name``.
    """
    for name in _CLASS_FILES:
        for file in folder.files_named(name):
            path = folder.root / file
            data = read_json(path) if name.endswith("json") else read_yaml(path)
            classes = _classes_in(data)
            if classes is None:
                raise ValueError(
                    f"{path}: expected class numbers and names, {{number: name}} or a list of "
                    f"{{id, name}}, got {short_repr(data)}"
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
        for value, rle in label_map_rles(labels).items():
            label = value if value < 1000 else value // 1000
            if classes is not None and label not in classes:
                if value >= 1000:
                    notes.count(f"Objects of class {label}, which has no name, left out", mask)
                continue
            instance = rle_object(label, rle, crowd=value < 1000)
            if instance is not None:
                objects.append(instance)
        yield ImageRecord(folder.root / name, *size, objects, stated_split(os.path.dirname(mask)))
