"""Find and describe YOLO labels in Darknet's layout: text files beside the images.

LabelImg writes them with ``classes.txt``, CVAT's "YOLO 1.1" with ``obj.data`` and ``obj.names``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from condinst.dataset_converters.folder import Folder, read_text
from condinst.dataset_converters.outlines import check_label
from condinst.dataset_converters.yolo_names import CLASS_FILES

__all__ = ["find_data_files", "find_labels_beside", "read_data_file"]

_ROW = re.compile(r"\d+(\s+[-+.\deE]+){4,}\s*")
_OPENED = 50  # label files that are looked into
_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def find_data_files(folder: Folder) -> list[str]:
    """Return the files such as ``obj.data`` that name lists of images and of classes."""
    found = []
    for file in folder.with_suffix(".data"):
        try:
            keys = _keys(folder.root / file)
        except ValueError:  # another program's file
            continue
        if "names" in keys and keys.keys() & _SPLITS.keys():
            found.append(file)
    return found


def find_labels_beside(folder: Folder) -> list[str]:
    """Return the folders in which images have rows of YOLO beside them.

    A text may be anything, so a file of class names must be there, and a row of numbers.
    """
    if not any(folder.files_named(name) for name in CLASS_FILES):
        return []
    texts = [
        file
        for file in folder.with_suffix(".txt")
        if os.path.splitext(file)[0] in folder.by_stem and os.path.basename(file) not in CLASS_FILES
    ]
    if not any(_has_row(folder.root / file) for file in texts[:_OPENED]):
        return []
    return sorted({os.path.dirname(file) for file in texts})


def _has_row(path: Path) -> bool:
    try:
        lines = read_text(path).splitlines()
    except ValueError:
        return False
    return next((bool(_ROW.fullmatch(line)) for line in lines if line.strip()), False)


def read_data_file(path: Path) -> dict[str, Any]:
    """Read darknet's data file into a dict with the keys of YOLO's yaml.

    Raises:
        ValueError: the file of the class names is missing or cannot be read.
    """
    keys = _keys(path)
    names = _place(path, keys["names"])
    if names is None:
        raise ValueError(f"{path}: names: the file {keys['names'][:200]} does not exist")
    lines = [line.strip() for line in read_text(names).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    found: dict[str, Any] = {"names": lines}
    for key, split in _SPLITS.items():
        if key in keys:
            place = _place(path, keys[key])
            found[split] = keys[key] if place is None else os.path.relpath(place, path.parent)
    return found


def _keys(path: Path) -> dict[str, str]:
    """Return key -> value of the lines ``key = value``."""
    pairs = (line.partition("=") for line in read_text(path).splitlines())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign and value.strip()}


def _place(path: Path, entry: str) -> Path | None:
    """Find a file below the data file's folder that it names, perhaps with CVAT's ``data/``."""
    entry = entry.replace("\\", "/")
    if not check_label(entry):
        return None
    for name in (entry, os.path.basename(entry)):
        inside = name and not os.path.isabs(name) and ".." not in name.split("/")
        if inside and os.path.isfile(path.parent / name):
            return path.parent / name
    return None
