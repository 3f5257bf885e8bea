"""Read VGG Image Annotator 1, 2 and 3: a json, exported or saved as a project, or a csv."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import missing_image
from condinst.dataset_converters.outlines import (
    check_label,
    check_pixels,
    ellipse,
    polygon_object,
    rectangle,
)
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.dataset_converters.via_tables import csv_entries, is_via_csv, project_entries
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_via", "read_via"]

# usual names of the attribute that holds the class, the most likely first
_CLASS_ATTRIBUTES = ("class", "label", "category", "type", "name", "object")
_ONE_CLASS = "object"


def find_via(folder: Folder) -> list[str]:
    """Return the folder's VIA files, relative to the folder."""
    tables = [f for f in folder.with_suffix(".csv") if is_via_csv(folder.root / f)]
    return [*folder.json_kinds.get("via", []), *tables]


def read_via(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read VIA files; the class is the region attribute that most regions have.

    Raises:
        ValueError: a file is broken.
    """
    loaded = {file: _entries(folder.root / file) for file in files}
    attribute = _class_attribute(
        [region for entries in loaded.values() for entry in entries for region in _regions(entry)],
        notes,
    )
    return AnnotationSource("via", _read_all(folder, loaded, attribute, notes), None)


def _entries(path: Path) -> list[dict]:
    """Return one dict per image, with ``filename`` and ``regions``."""
    if path.suffix.lower() == ".csv":
        entries = csv_entries(path)
    else:
        data = read_json(path)
        if isinstance(data, dict) and isinstance(data.get("metadata"), dict):
            entries = project_entries(path, data)
        else:
            if isinstance(data, dict) and "_via_img_metadata" in data:
                data = data["_via_img_metadata"]
            entries = list(data.values()) if isinstance(data, dict) else []
    sound = [e for e in entries if isinstance(e, dict) and _is_entry(e)]
    if not sound or len(sound) < len(entries):
        raise ValueError(
            f"{path}: not VIA's layout: expected an entry for each image with the keys filename "
            "and regions"
        )
    for entry in sound:
        for number, region in enumerate(_regions(entry)):
            attributes = region.get("region_attributes") if isinstance(region, dict) else 0
            if not isinstance(attributes, dict | None):
                raise ValueError(
                    f"{path}: {entry['filename']}, region {number}: not VIA's layout: expected a "
                    f"dict with region_attributes, got {short_repr(region)}"
                )
            if not isinstance(region.get("shape_attributes"), dict):
                raise ValueError(
                    f"{path}: {entry['filename']}, region {number}: not VIA's layout: expected the "
                    "key shape_attributes"
                )
    return sound


def _is_entry(entry: dict) -> bool:
    """Tell whether an entry has a file name, and regions as a list, a dict or None."""
    name, regions = entry.get("filename"), entry.get("regions", 0)
    return isinstance(name, str) and name.isprintable() and isinstance(regions, list | dict | None)


def _regions(entry: dict) -> list[dict]:
    """Return the regions: VIA 2 stores a list, VIA 1 a dict by number."""
    regions = entry["regions"]
    return list(regions.values()) if isinstance(regions, dict) else list(regions or ())


def _class_attribute(regions: list[dict], notes: Notes) -> str | None:
    counts: Counter[str] = Counter()
    for region in regions:
        attributes = region.get("region_attributes") or {}
        counts.update(name for name in attributes if _class_of(region, name) is not None)
    if not counts:
        notes.say(f"The regions have no attributes: the only class is {_ONE_CLASS!r}.")
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
    """Return the class of a region: the text, or the only checked box; else None."""
    if attribute is None:
        return _ONE_CLASS
    value = (region.get("region_attributes") or {}).get(attribute)
    if isinstance(value, dict) and len(value) <= 1000:
        ticked = [name for name, on in value.items() if on]
        value = ticked[0] if len(ticked) == 1 else None
    text = str(value).strip() if check_label(value) else ""
    return text or None


def _read_all(
    folder: Folder, loaded: dict[str, list[dict]], attribute: str | None, notes: Notes
) -> Iterator[ImageRecord]:
    used: dict[str, tuple[str, Any]] = {}
    for file, entries in loaded.items():
        beside = os.path.dirname(file)
        for entry in sorted(entries, key=lambda entry: str(entry["filename"])):
            stated = str(entry["filename"])
            name = folder.find_image(stated, beside)
            if name is None:
                if why := missing_image(folder, stated):
                    raise ValueError(f"{folder.root / file}: {why}")
                notes.count("Entries whose image is missing, left out", stated)
                continue
            if name in used:
                first, regions = used[name]
                if first == file or regions != _regions(entry):
                    raise ValueError(
                        f"{folder.root / file}: a second entry for the image {name}, with other "
                        f"regions than in {first}: use --data FILE with the file to read"
                        if first != file
                        else f"{folder.root / file}: a second entry for the image {name}"
                    )
                notes.count(f"Entries that {first} has too, read once", f"{file}: {stated}")
                continue
            used[name] = file, _regions(entry)
            height, width = image_size(folder.root / name)
            objects = list(_objects(folder.root / file, entry, attribute, height, width, notes))
            if not objects:
                notes.count("Images without regions, kept as negatives", name)
            split = stated_split(file) or stated_split(os.path.dirname(name))
            yield ImageRecord(folder.root / name, height, width, objects, split)
    for name in folder.images:
        if name not in used:
            notes.count("Images that no VIA file names, left out", name)


def _objects(
    path: Path, entry: dict, attribute: str | None, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    for number, region in enumerate(_regions(entry)):
        where = f"{entry['filename']}, region {number}"
        shape = region["shape_attributes"]
        try:
            points = _drawn(shape)
        except KeyError as error:
            raise ValueError(
                f"{path}: {where}: not VIA's layout: needs the key {error.args[0]}"
            ) from None
        except ValueError as error:
            raise ValueError(f"{path}: {where}: {error}") from None
        label = _class_of(region, attribute)
        if points is None:
            notes.count(
                f"Regions without an area ({short_repr(shape.get('name'))}), left out", where
            )
        elif label is None:
            notes.count(f"Regions without the attribute {attribute!r}, left out", where)
        elif len(points) < 3:
            notes.count("Polygons of fewer than three points, left out", where)
        elif (found := polygon_object(label, [points], height, width)) is None:
            notes.count("Objects that cover no pixel, left out", where)
        else:
            if shape.get("name") == "rect":
                found["rectangle"] = True
            yield found


def _drawn(shape: dict) -> np.ndarray | None:
    """Return the (N, 2) outline of a shape in pixels; None for points and open lines."""
    kind = shape.get("name")
    if kind in ("polygon", "polyline"):
        xs, ys = check_pixels(shape["all_points_x"]), check_pixels(shape["all_points_y"])
        if xs.ndim != 1 or xs.shape != ys.shape:
            raise ValueError(
                "expected lists of as many numbers in all_points_x and all_points_y, got "
                f"{short_repr(shape['all_points_x'])} and {short_repr(shape['all_points_y'])}"
            )
        points = np.stack([xs, ys], axis=1)
        closed = len(points) > 3 and bool((points[0] == points[-1]).all())
        return points if kind == "polygon" or closed else None
    if kind == "rect":
        x, y, width, height = _numbers(shape, "x", "y", "width", "height")
        return rectangle(x, y, x + width, y + height)
    if kind == "circle":
        cx, cy, r = _numbers(shape, "cx", "cy", "r")
        return ellipse(cx, cy, r, r)
    if kind == "ellipse":
        cx, cy, rx, ry = _numbers(shape, "cx", "cy", "rx", "ry")
        (theta,) = _numbers({"theta": 0, **shape}, "theta")
        return ellipse(cx, cy, rx, ry, theta)
    return None


def _numbers(shape: dict, *keys: str) -> list[float]:
    found = check_pixels([shape[key] for key in keys])
    if found.ndim != 1:
        raise ValueError(
            f"expected a number for each of {', '.join(keys)}, got {short_repr(shape)}"
        )
    return found.tolist()
