"""Read ADE20K's full annotations: NAME_seg.png with NAME.json, or with NAME_atr.txt (2016).

In the PNG, red // 10 * 256 + green is the number of a class and blue is the instance. The json
lists objects with ``name`` and ``name_ndx``, the number of the class. The text file has a row
``instance # part level # occluded # name # raw name # attributes`` for each instance, in the order
of the values of blue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from condinst.dataset_converters.class_names import number_name, unnamed
from condinst.dataset_converters.folder import Folder, read_json, read_text, stated_split
from condinst.dataset_converters.image_sizes import mask_and_size
from condinst.dataset_converters.outlines import check_label, label_map_rles, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_ade20k", "read_ade20k"]

_ENDING = "_seg.png"


def find_ade20k(folder: Folder) -> list[str]:
    """Return the files NAME_seg.png that have NAME.jpg and a file of names beside them."""
    files = set(folder.files)
    found = []
    for file in folder.with_suffix(_ENDING):
        base = file[: -len(_ENDING)]
        if base in folder.by_stem and (f"{base}_atr.txt" in files or _has_objects(folder, base)):
            found.append(file)
    return found


def _has_objects(folder: Folder, base: str) -> bool:
    file = f"{base}.json"
    return file in folder.files and folder.sniffed(file).kind == "ade20k"


def read_ade20k(folder: Folder, files: Sequence[str], notes: Notes) -> AnnotationSource:
    """Read each value of the PNGs as an instance.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    notes.say(
        "ADE20K: each instance of the _seg.png is one object, without its parts. Walls, sky and "
        "other regions are classes too; if they are not wanted, leave them out of the classes."
    )
    return AnnotationSource("ade20k", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: Sequence[str], notes: Notes) -> Iterator[ImageRecord]:
    for file in files:
        base = file[: -len(_ENDING)]
        name = folder.by_stem[base]
        values, size = mask_and_size(folder.root / file, folder.root / name)
        red, green, blue = values >> 16, values >> 8 & 255, values & 255
        classes = red // 10 * 256 + green
        objects = []
        by_class = f"{base}_atr.txt" not in folder.files
        names = _names_of_classes(folder, base) if by_class else _names_of_instances(folder, base)
        ranks = {value: rank for rank, value in enumerate(np.unique(blue[blue > 0]).tolist(), 1)}
        instances = np.where((blue > 0) & (classes > 0), classes * 256 + blue, 0)
        for value, rle in label_map_rles(instances).items():
            number, instance = value // 256, value % 256
            label = names.get(number if by_class else ranks[instance])
            if label is None:
                notes.count(unnamed(number), file)
            if (found := rle_object(label or number_name(number), rle)) is not None:
                objects.append(found)
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(folder.root / name, *size, objects, stated_split(name))


def _names_of_classes(folder: Folder, base: str) -> dict[int, str]:
    path = folder.root / f"{base}.json"
    data = read_json(path)
    annotation = data.get("annotation") if isinstance(data, dict) else None
    entries: Any = annotation.get("object") if isinstance(annotation, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected annotation with a list of object")
    found: dict[int, str] = {}
    for place, entry in enumerate(entries):
        number, name = (
            (entry.get("name_ndx"), entry.get("name")) if isinstance(entry, dict) else (None, None)
        )
        if type(number) is not int or type(name) is not str or not check_label(name):
            raise ValueError(
                f"{path}: object[{place}]: expected name and name_ndx, got {short_repr(entry)}"
            )
        found[number] = name
    return found


def _names_of_instances(folder: Folder, base: str) -> dict[int, str]:
    path = folder.root / f"{base}_atr.txt"
    found: dict[int, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = [field.strip() for field in line.split("#")]
        if not line.strip():
            continue
        whole = len(fields) >= 5 and all(f.isascii() and f.isdigit() for f in fields[:2])
        if not whole or len(fields[0]) > 9 or not check_label(fields[3]):
            raise ValueError(
                f"{path}: line {number}: expected instance # part level # occluded # name # ..., "
                f"got {line[:80]!r}"
            )
        if int(fields[1]) == 0:
            found[int(fields[0])] = fields[3]
    return found
