"""Read Pascal VOC: instances from SegmentationObject, their classes from SegmentationClass.

Value 0 is background and 255 is void: the border of 5 pixels that VOC leaves undecided.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from condinst.dataset_converters.class_names import number_name, stated_classes, unnamed
from condinst.dataset_converters.folder import Folder, read_text, stated_split
from condinst.dataset_converters.image_sizes import check_mask_size, mask_and_size, read_label_map
from condinst.dataset_converters.outlines import label_map_rles, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Label, Notes
from condinst.utils.files import read_regular

__all__ = ["find_pascal", "read_pascal"]

_VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
_VOID = 255
_VOID_COLOR = (224, 224, 192)


def find_pascal(folder: Folder) -> list[str]:
    """Return the folders, relative to the root, that hold SegmentationObject."""
    found = {
        os.path.dirname(os.path.dirname(p))
        for p in folder.images
        if os.path.basename(os.path.dirname(p)) == "SegmentationObject"
    }
    return sorted(found)


def read_pascal(folder: Folder, base: str, notes: Notes) -> AnnotationSource:
    """Read the dataset below ``base``, a folder relative to the root.

    Raises:
        ValueError: a mask cannot be read, or its size is not the image's.
    """
    root = folder.root / base
    colors, classes = _label_map(root, notes)
    if classes is None:
        classes = stated_classes(folder, notes)
    splits = _splits(root, notes)
    name_of = number_name
    if classes is None and _is_voc(root):
        name_of = _voc_name
    elif classes is None:
        notes.say(
            "No labelmap.txt, and no Annotations with classes of VOC: named by their numbers."
        )
    images = _read_all(folder, root, splits, colors, classes, notes)
    return AnnotationSource("pascal", images, classes, name_of)


def _voc_name(label: Label) -> str:
    number = int(label)
    return _VOC[number - 1] if number <= len(_VOC) else number_name(label)


def _splits(root: Path, notes: Notes) -> dict[str, str | None]:
    """Return name without suffix -> train, val, test or None."""
    lists = sorted((root / "ImageSets" / "Segmentation").glob("*.txt"))
    named = {path: stated_split(path.name) for path in lists}
    if any(named.values()):
        named = {path: split for path, split in named.items() if split}
    found: dict[str, str | None] = {}
    for path, split in named.items():
        for line in read_text(path).splitlines():
            if words := line.split():
                before = found.setdefault(words[0], split)
                if before != split:
                    notes.count(f"Names in two lists, taken for {before}", words[0])
    if found:
        return found
    notes.say(f"{root} has no lists in ImageSets/Segmentation: all masks are used.")
    return {path.stem: None for path in sorted((root / "SegmentationObject").glob("*.png"))}


def _label_map(root: Path, notes: Notes) -> tuple[dict[int, int] | None, dict[Label, str] | None]:
    """Read CVAT's labelmap.txt, ``name:r,g,b:parts:actions``: color -> class, class -> name."""
    path = root / "labelmap.txt"
    if not path.is_file():
        return None, None
    colors: dict[int, int] = {}
    names: dict[Label, str] = {}
    for line in read_text(path).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, color, *_ = [*line.split(":"), ""]
        numbers = [int(n[:9]) for n in re.findall(r"\d+", color)]
        if len(numbers) != 3 or max(numbers) > 255:
            raise ValueError(
                f"{path}: expected name:red,green,blue:parts:actions, got {line[:80]!r}"
            )
        index = len(colors)
        packed = (numbers[0] << 16) + (numbers[1] << 8) + numbers[2]
        if name.lower() in ("background", "void", "ignored"):
            colors[packed] = 0
        else:
            colors[packed] = index = len(names) + 1
            names[index] = name
    notes.say(f"Class names and colors are those of {path}.")
    return colors, names


def _is_voc(root: Path) -> bool:
    """Tell whether the xml files beside the masks name only VOC's classes.

    Then the numbers in the masks are VOC's too.
    """
    names = set()
    for path in sorted((root / "Annotations").glob("*.xml"))[:200]:
        text = read_regular(path).decode("utf-8", errors="replace")
        names.update(re.findall(r"<object>\s*<name>([^<]+)</name>", text))
    return bool(names) and names <= set(_VOC)


def _read_all(
    folder: Folder,
    root: Path,
    splits: dict[str, str | None],
    colors: dict[int, int] | None,
    classes: dict[Label, str] | None,
    notes: Notes,
) -> Iterator[ImageRecord]:
    base = Path(os.path.relpath(root, folder.root)).as_posix()
    prefix = "" if base == "." else base + "/"
    images = next(
        (
            place
            for place in ("JPEGImages/", "images/", "")
            if any(f"{prefix}{place}{name}" in folder.by_stem for name in splits)
        ),
        "JPEGImages/",
    )
    for name, split in sorted(splits.items()):
        image = folder.by_stem.get(f"{prefix}{images}{name}")
        mask = root / "SegmentationObject" / f"{name}.png"
        kind = root / "SegmentationClass" / f"{name}.png"
        if image is None:
            notes.miss("Masks or listed names without an image, left out", name)
            continue
        if not mask.is_file() or not kind.is_file():
            notes.count(
                "Images without a mask in SegmentationObject and SegmentationClass, left out",
                name,
            )
            continue
        path = folder.root / image
        instances, size = mask_and_size(mask, path)
        kinds = read_label_map(kind, within=size)
        check_mask_size(kind, kinds, path, size)
        if kinds.max(initial=0) > _VOID and colors is None:
            raise ValueError(
                f"{kind}: its pixels are colors, expected palette indices, or a labelmap.txt that "
                "gives the colors of the classes"
            )
        objects = list(_objects(name, instances, kinds, colors, classes, notes))
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(path, *size, objects, split)


def _objects(
    name: str,
    instances: np.ndarray,
    kinds: np.ndarray,
    colors: dict[int, int] | None,
    classes: dict[Label, str] | None,
    notes: Notes,
) -> Iterator[dict]:
    void = (_VOID_COLOR[0] << 16) + (_VOID_COLOR[1] << 8) + _VOID_COLOR[2]
    for value, rle in label_map_rles(instances).items():
        if value in (_VOID, void):
            continue
        inside, counts = np.unique(kinds[instances == value], return_counts=True)
        votes = {
            (colors or {}).get(k, k if k < _VOID else 0): n
            for k, n in zip(inside.tolist(), counts.tolist(), strict=True)
        }
        votes.pop(0, None)
        label = max(votes, key=lambda key: votes[key], default=0)
        where = f"{name}, value {value}"
        if not label:
            notes.count("Instances whose class is background or void, left out", where)
        else:
            if classes is not None and label not in classes:
                notes.count(unnamed(label), where)
            yield rle_object(label, rle)  # type: ignore[misc]
