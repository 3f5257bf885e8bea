"""VGG Image Annotator 1.x and 2.x: a json of regions, exported or saved as a project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condinst.annotations.folder import Folder, read_json, stated_part
from condinst.annotations.pictures import picture_size
from condinst.annotations.records import Notes, Picture, Source
from condinst.annotations.shapes import ellipse, polygon_object, rectangle

__all__ = ["find_via", "read_via"]

# names that people give the attribute of the class, the best first
_CLASS_ATTRIBUTES = ("class", "label", "category", "type", "name", "object")
_ONE_CLASS = "object"


def find_via(folder: Folder) -> list[str]:
    """The folder's VIA files, relative to it."""
    return folder.json_kinds.get("via", [])


def read_via(folder: Folder, files: list[str], notes: Notes) -> Source:
    """The class is the region attribute that most regions have.

    Raises:
        ValueError: a file is broken.
    """
    loaded = {file: _entries(folder.root / file) for file in files}
    attribute = _class_attribute(
        [region for entries in loaded.values() for entry in entries for region in _regions(entry)],
        notes,
    )
    return Source("via", _read_all(folder, loaded, attribute, notes), None)


def _entries(path: Path) -> list[dict]:
    """One dict per picture, with ``filename`` and ``regions``."""
    data = read_json(path)
    if isinstance(data, dict) and "_via_img_metadata" in data:
        data = data["_via_img_metadata"]
    entries = list(data.values()) if isinstance(data, dict) else []
    sound = [e for e in entries if isinstance(e, dict) and "filename" in e and "regions" in e]
    if not sound or len(sound) < len(entries):
        raise ValueError(
            f"{path}: not VIA's layout: expected an entry for each picture with the keys filename "
            "and regions"
        )
    for entry in sound:
        for number, region in enumerate(_regions(entry)):
            if not isinstance(region, dict) or not isinstance(region.get("shape_attributes"), dict):
                raise ValueError(
                    f"{path}: {entry['filename']}, region {number}: not VIA's layout: expected the "
                    "key shape_attributes"
                )
    return sound


def _regions(entry: dict) -> list[dict]:
    """A list in version 2, a dict of numbers in version 1."""
    regions = entry["regions"]
    return list(regions.values()) if isinstance(regions, dict) else list(regions or ())


def _class_attribute(regions: list[dict], notes: Notes) -> str | None:
    counts: Counter[str] = Counter()
    for region in regions:
        attributes = region.get("region_attributes") or {}
        counts.update(name for name in attributes if _class_of(region, name) is not None)
    if not counts:
        notes.say(f"The regions have no attributes: all are of one class, {_ONE_CLASS!r}.")
        return None

    def preference(name: str) -> tuple:
        lower = name.lower()
        rank = _CLASS_ATTRIBUTES.index(lower) if lower in _CLASS_ATTRIBUTES else 99
        return -counts[name], rank, name

    best = min(counts, key=preference)
    others = ", ".join(sorted(set(counts) - {best}))
    notes.say(
        f"The class is the region attribute {best!r}, which {counts[best]} of {len(regions)} "
        "regions have" + (f" (there are also: {others})." if others else ".")
    )
    return best


def _class_of(region: dict, attribute: str | None) -> str | None:
    """Text, or the only box that is ticked."""
    if attribute is None:
        return _ONE_CLASS
    value = (region.get("region_attributes") or {}).get(attribute)
    if isinstance(value, dict):
        ticked = [name for name, on in value.items() if on]
        value = ticked[0] if len(ticked) == 1 else None
    text = str(value).strip() if value is not None else ""
    return text or None


def _read_all(
    folder: Folder, loaded: dict[str, list[dict]], attribute: str | None, notes: Notes
) -> Iterator[Picture]:
    used = set()
    for file, entries in loaded.items():
        beside = os.path.dirname(file)
        for entry in sorted(entries, key=lambda entry: str(entry["filename"])):
            stated = str(entry["filename"])
            name = folder.find_picture(stated, beside)
            if name is None:
                notes.count("Entries whose picture is missing, left out", stated)
                continue
            if name in used:
                raise ValueError(f"{folder.root / file}: a second entry for the picture {name}")
            used.add(name)
            height, width = picture_size(folder.root / name)
            objects = list(_objects(folder.root / file, entry, attribute, height, width, notes))
            if not objects:
                notes.count("Pictures without regions, kept as negatives", name)
            part = stated_part(file) or stated_part(os.path.dirname(name))
            yield Picture(folder.root / name, height, width, objects, part)
    for name in folder.pictures:
        if name not in used:
            notes.count("Pictures that no VIA file names, left out", name)


def _objects(
    path: Path, entry: dict, attribute: str | None, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    for number, region in enumerate(_regions(entry)):
        where = f"{entry['filename']}, region {number}"
        shape = region["shape_attributes"]
        try:
            points = _drawn(shape)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: {where}: not VIA's layout: {type(error).__name__}: {error}"
            ) from None
        label = _class_of(region, attribute)
        if points is None:
            notes.count(f"Regions without an area ({shape.get('name')}), left out", where)
        elif label is None:
            notes.count(f"Regions without the attribute {attribute!r}, left out", where)
        elif len(points) < 3:
            notes.count("Polygons of fewer than three points, left out", where)
        elif (found := polygon_object(label, [points], height, width)) is None:
            notes.count("Objects that cover no pixel, left out", where)
        else:
            yield found


def _drawn(shape: dict) -> np.ndarray | None:
    """(N, 2) points; None for points and lines."""
    kind = shape.get("name")
    if kind == "polygon":
        xs, ys = np.array(shape["all_points_x"], float), np.array(shape["all_points_y"], float)
        return np.stack([xs, ys], axis=1)
    if kind == "rect":
        x, y = float(shape["x"]), float(shape["y"])
        return rectangle(x, y, x + float(shape["width"]), y + float(shape["height"]))
    if kind == "circle":
        return ellipse(float(shape["cx"]), float(shape["cy"]), float(shape["r"]), float(shape["r"]))
    if kind == "ellipse":
        cx, cy, rx, ry = (float(shape[key]) for key in ("cx", "cy", "rx", "ry"))
        return ellipse(cx, cy, rx, ry, float(shape.get("theta", 0)))
    return None
