"""Read YOLO labels: one text file per image, one normalized polygon or box per row.

supervision 0.31.2 (``DetectionDataset.from_yolo``) reads them too. It rounds corners to whole
pixels (739 objects of 80 COCO images: IoU 0.905 on average, 0.51 at worst), keeps all masks at the
image's size in memory (400 MB for these), and turns boxes into filled masks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.class_names import number_name, unnamed
from condinst.dataset_converters.folder import Folder, read_text, read_yaml, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.outlines import box_object, check_label, polygon_object
from condinst.dataset_converters.records import SPLITS, AnnotationSource, ImageRecord, Label, Notes
from condinst.dataset_converters.yolo_darknet import (
    find_data_files,
    find_labels_beside,
    read_data_file,
)
from condinst.dataset_converters.yolo_names import (
    CLASS_FILES,
    MAX_CLASS,
    class_names,
    names_from_text,
)
from condinst.datasets.coco.entry_issues import short_repr
from condinst.images.sources import IMAGE_SUFFIXES

__all__ = ["find_yolo", "read_yolo"]

_OUTSIDE = 0.5  # fraction of the image's side; beyond it a coordinate is not normalized


def find_yolo(folder: Folder) -> list[str]:
    """Return the files that describe a dataset, or else the folders of labels.

    These are yaml files, Darknet's data files, folders named labels, and folders of images with
    labels beside them; the first kind that is there.
    """
    found = [file for file in folder.with_suffix(".yaml", ".yml") if _describes(folder.root / file)]
    found = found or find_data_files(folder) or sorted(_label_folders(folder))
    return found or find_labels_beside(folder)


def _describes(path: Path) -> bool:
    try:
        data = read_yaml(path)
    except ValueError:  # another program's file, or broken: reading it as YOLO's says so
        return path.name in ("data.yaml", "data.yml")
    return (
        isinstance(data, dict)
        and bool({"names", "nc"} & data.keys())
        and bool({*SPLITS, "valid"} & data.keys())
    )


def _label_folders(folder: Folder) -> set[str]:
    found = set()
    for file in folder.with_suffix(".txt"):
        parent = os.path.dirname(file)
        if "labels" in parent.split("/") and os.path.basename(file) not in CLASS_FILES:
            found.add(parent)
    return found


def read_yolo(folder: Folder, description: str | None, notes: Notes) -> AnnotationSource:
    """Read the dataset of a yaml or data file, of the folders images and labels, or of one folder.

    Args:
        folder: the dataset's folder.
        description: the yaml or data file, relative to the folder; None without one.
        notes: receives every decision.

    Raises:
        ValueError: the yaml lacks classes or images, or a label file is broken.
    """
    classes: dict[Label, str] | None
    if description is not None:
        path = folder.root / description
        data = read_data_file(path) if path.suffix.lower() == ".data" else read_yaml(path)
        classes = class_names(path, data, notes)
        images = _listed_images(path, data, notes)
        listed = {image for image, _ in images}
        for name in folder.images:
            if folder.root / name not in listed:
                notes.count(f"Images that {path} does not name, left out", name)
    else:
        images = []
        for p in folder.images:
            if "images" in p.split("/")[:-1] or _label_file(folder.root / p).is_file():
                images.append((folder.root / p, stated_split(os.path.dirname(p))))
            else:
                notes.count("Images without a label file, left out", p)
        classes = names_from_text(folder, notes)
    return AnnotationSource("yolo", _read_all(images, folder, classes, notes), classes, number_name)


def _listed_images(path: Path, data: dict, notes: Notes) -> list[tuple[Path, str | None]]:
    """Return each image of the yaml file once, with its split."""
    found: dict[Path, str | None] = {}
    for key, split in (("train", "train"), ("val", "val"), ("valid", "val"), ("test", "test")):
        entries = data.get(key) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, str) or not check_label(entry):
                raise ValueError(
                    f"{path}: {key}: expected a folder or file, got {short_repr(entry)}"
                )
            place = _place(path, data.get("path"), entry)
            if place is not None and place in path.parents[1:]:
                raise ValueError(
                    f"{path}: {key}: expected a folder of images, got {entry}, which contains the "
                    "dataset's folder"
                )
            if place is None and split != "train":
                notes.say(f"{path}: the {split} split {entry} does not exist.")
                continue
            if place is None:
                raise ValueError(
                    f"{path}: {key}: {entry} is neither a folder nor a file; write the folder of "
                    "images as seen from this file, such as images/train"
                )
            for image in _images_at(place):
                if found.setdefault(image, split) != split:
                    notes.count(
                        f"{path}: images named for two splits, used in the first of "
                        f"{', '.join(SPLITS)}",
                        str(image),
                    )
    if not found:
        raise ValueError(f"{path}: no images under the keys {', '.join(SPLITS)}")
    return list(found.items())


def _place(yaml: Path, base: Any, entry: str) -> Path | None:
    """Find a folder or list that a yaml file names, perhaps written on another machine."""
    entry = entry.replace("\\", "/")
    base = base if isinstance(base, str) and check_label(base) else ""
    bases = [yaml.parent / base, yaml.parent]
    tails = [entry, entry.removeprefix("../")]  # Roboflow's start one folder deeper
    if entry.startswith("/") or entry[1:2] == ":":  # absolute: its end may be here too
        parts = entry.split("/")[1:]
        ends = ["/".join(parts[start:]) for start in range(len(parts))]
        tails += [end for end in ends if stated_split(end)]
    for tail in tails:
        for folder in bases:
            if os.path.exists(folder / tail):  # False for names that no file can have
                return Path(os.path.abspath(folder / tail))
    return None


def _images_at(place: Path) -> list[Path]:
    """Return the images in a folder and its subfolders, or in a text file that lists them."""
    if place.is_dir():
        inside = Folder.listed(place)
        return [inside.root / image for image in inside.images]
    lines = [line.strip() for line in read_text(place).splitlines() if line.strip()]
    there: Folder | None = None
    found = []
    for line in lines:
        path = Path(os.path.abspath(place.parent / line))
        if not os.path.isfile(path):  # a path of another machine
            there = there or Folder.listed(place.parent)
            name = there.find_image(line)
            if name is None:
                raise ValueError(f"{place}: image not found: {line[:200]}")
            path = there.root / name
        found.append(path)
    return found


def _label_file(image: Path) -> Path:
    """Return the label file: in ``labels`` if the image is in ``images``, else beside it."""
    beside = image.with_suffix(".txt")
    for parent in image.parents:
        if parent.name.lower() == "images":
            named = [parent.with_name(name) for name in ("labels", "Labels", "LABELS")]
            there = [place for place in named if place.is_dir()]
            if not there and beside.is_file():
                return beside
            labels = there[0] if there else named[0]
            return (labels / image.relative_to(parent)).with_suffix(".txt")
    return beside


def _read_all(
    images: list[tuple[Path, str | None]],
    folder: Folder,
    classes: dict[Label, str] | None,
    notes: Notes,
) -> Iterator[ImageRecord]:
    expected: set[Path] = set()
    seen: set[int] = set()
    for path, split in images:
        labels = _label_file(path)
        expected.add(labels)
        height, width = image_size(path)
        name = Path(os.path.relpath(path, folder.root)).as_posix()
        if labels.is_file():
            objects = list(_objects(labels, name, height, width, classes, seen, notes))
            if not objects:
                notes.count("Images without objects, kept as negatives", name)
        else:
            objects = []
            notes.count("Images without a label file, kept as negatives", name)
        yield ImageRecord(path, height, width, objects, split)
    numbers = {int(label) for label in classes or ()}
    if 0 in numbers - seen and max(numbers) + 1 in seen:
        raise ValueError(
            f"{folder.root}: the labels have classes {min(seen)} to {max(seen)}, the names are "
            f"numbered {min(numbers)} to {max(numbers)}: expected classes from 0"
        )
    without = {_near(labels): labels for labels in expected if not labels.is_file()}
    for parent in sorted({labels.parent for labels in expected}):
        for path in sorted(parent.glob("*")) if parent.is_dir() else ():
            if path.suffix.lower() != ".txt" or path in expected or path.name in CLASS_FILES:
                continue
            if _near(path) in without:
                raise ValueError(
                    f"{path}: no image has this name, but the labels of an image would be "
                    f"{without[_near(path)].name}: rename one of them"
                )
            if not any(path.with_suffix(s).is_file() for s in IMAGE_SUFFIXES):
                notes.miss("Label files without an image, left out", str(path))


def _near(path: Path) -> tuple[Path, str]:
    return path.parent, path.name.casefold()


@dataclass(frozen=True)
class _Row:
    label: int
    numbers: np.ndarray  # normalized coordinates


def _objects(
    path: Path,
    name: str,
    height: int,
    width: int,
    classes: dict[Label, str] | None,
    seen: set[int],
    notes: Notes,
) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        row, where = _row(path, number, line), f"{name}, row {number}"
        seen.add(row.label)
        if classes is not None and row.label not in classes:
            notes.count(unnamed(row.label), where)
        found = None
        if len(row.numbers) < 4:
            notes.count("Polygons of fewer than three points, left out", where)
            continue
        if len(row.numbers) in (4, 5):  # the fifth is a confidence
            x, y, w, h = (row.numbers[:4] * (width, height, width, height)).tolist()
            found = box_object(row.label, x - w / 2, y - h / 2, x + w / 2, y + h / 2, height, width)
        else:
            if len(row.numbers) % 2:
                notes.count("Rows with one number too many, read as a confidence", where)
            points = row.numbers[: len(row.numbers) // 2 * 2].reshape(-1, 2) * (width, height)
            found = polygon_object(row.label, [points], height, width)
        if found is None:
            notes.count("Objects that cover no pixel, left out", where)
        else:
            yield found


def _row(path: Path, number: int, line: str) -> _Row:
    words = line.split()
    try:
        label = float(words[0])
        numbers = np.array([float(word) for word in words[1:]])
    except ValueError:
        raise ValueError(
            f"{path}: line {number}: expected a class number and coordinates, got {line[:80]!r}"
        ) from None
    if not label.is_integer() or not 0 <= label <= MAX_CLASS:
        raise ValueError(f"{path}: line {number}: expected a class number, got {words[0][:80]!r}")
    wrong = [n for n in numbers if not math.isfinite(n) or not -_OUTSIDE <= n <= 1 + _OUTSIDE]
    if wrong:
        raise ValueError(
            f"{path}: line {number}: expected coordinates from 0 to 1 (divided by the image's "
            f"width and height), got {wrong[0]:g}"
        )
    return _Row(int(label), numbers)
