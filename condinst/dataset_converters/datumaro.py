"""Read Datumaro's json: items with annotations, and categories with labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import NamedImages
from condinst.dataset_converters.outlines import (
    box_object,
    check_label,
    check_pixels,
    polygon_object,
    polygons_rle,
    rle_object,
    union_rle,
)
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Label, Notes
from condinst.datasets.coco.entry_issues import short_repr
from condinst.masks.rle import checked_rle

__all__ = ["find_datumaro", "read_datumaro"]


def find_datumaro(folder: Folder) -> list[str]:
    """Return the folder's Datumaro files, relative to the folder."""
    return folder.json_kinds.get("datumaro", [])


def read_datumaro(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read Datumaro's files; annotations of one label and group are one instance.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    loaded = {file: read_json(folder.root / file) for file in files}
    names: dict[Label, str] = {}
    for file, data in loaded.items():
        found = _labels(folder.root / file, data)
        if names and found != names:
            raise ValueError(f"{folder.root / file}: its labels are not those of {files[0]}")
        names = found
    return AnnotationSource("datumaro", _read_all(folder, loaded, names, notes), names)


def _labels(path: Path, data: Any) -> dict[Label, str]:
    try:
        entries = [entry["name"] for entry in data["categories"]["label"]["labels"]]
        items = data["items"]
    except (KeyError, TypeError, IndexError):
        entries, items = None, None
    if not entries or not isinstance(items, list) or not all(map(check_label, entries)):
        raise ValueError(
            f"{path}: not Datumaro's layout: expected items, and names under categories, label, "
            "labels"
        )
    return {number: str(name) for number, name in enumerate(entries)}


def _read_all(
    folder: Folder, loaded: dict[str, Any], names: dict[Label, str], notes: Notes
) -> Iterator[ImageRecord]:
    images = NamedImages(folder, notes)
    for file, data in loaded.items():
        path = folder.root / file
        for number, item in enumerate(data["items"]):
            where = f"{path}: items[{number}]"
            stated = _image(item, folder)
            if stated is None or not isinstance(item.get("annotations"), list):
                raise ValueError(
                    f"{where}: expected an id or image, and annotations, got {short_repr(item)}"
                )
            name = images.find(file, stated, os.path.dirname(file))
            if name is None:
                continue
            image = item.get("image")
            size = image.get("size") if isinstance(image, dict) else None
            stated_size = tuple(size) if isinstance(size, list) and len(size) == 2 else None
            height, width = image_size(folder.root / name, stated_size)
            objects = list(_objects(item["annotations"], where, names, height, width, notes))
            if not objects:
                notes.count("Images without objects, kept as negatives", name)
            split = stated_split(file) or stated_split(os.path.dirname(name))
            yield ImageRecord(folder.root / name, height, width, objects, split)
    images.count_others("no Datumaro file")


def _image(item: Any, folder: Folder) -> str | None:
    """Return the path of an item's image; without one, the image that has the item's id."""
    if not isinstance(item, dict):
        return None
    image = item.get("image")
    for path in (image.get("path") if isinstance(image, dict) else None, item.get("id")):
        if isinstance(path, str) and path.strip() and path.isprintable():
            found = folder.images_of_stem(os.path.basename(path))
            return found[0] if len(found) == 1 else path
    return None


def _objects(
    entries: list, where: str, names: dict[Label, str], height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple, list[Any]] = {}
    for number, entry in enumerate(entries):
        at = f"{where}, annotations[{number}]"
        if not isinstance(entry, dict):
            raise ValueError(f"{at}: expected a dict, got {short_repr(entry)}")
        kind, label, group = entry.get("type"), entry.get("label_id"), entry.get("group") or 0
        if kind not in ("polygon", "mask", "bbox"):
            notes.count(f"Annotations without an area ({short_repr(kind)}), left out", at)
            continue
        if type(label) is not int or label not in names or type(group) not in (int, str):
            raise ValueError(f"{at}: label_id: expected a label's number, got {short_repr(label)}")
        try:
            drawn = _drawn(kind, entry, height, width)
        except KeyError as error:
            raise ValueError(f"{at}: expected the key {error.args[0]}") from None
        except ValueError as error:
            raise ValueError(f"{at}: {error}") from None
        key = (label, group) if group else (label, number, "alone")
        groups.setdefault(key, []).append((kind, drawn))
    for (label, *_), members in groups.items():
        found = _joined(label, members, height, width)
        if found is None:
            notes.count("Objects that cover no pixel, left out", where)
        else:
            if len(members) > 1:
                notes.join(len(members))
            yield found


def _drawn(kind: str, entry: dict, height: int, width: int) -> Any:
    if kind == "mask":
        rle = entry["rle"]
        if not isinstance(rle, dict):
            raise ValueError(f"rle: expected counts and size, got {short_repr(rle)}")
        return checked_rle(rle, height, width)
    values = check_pixels(entry["points" if kind == "polygon" else "bbox"])
    if values.ndim != 1 or (values.size != 4 if kind == "bbox" else values.size % 2):
        raise ValueError(f"expected numbers x, y, ..., got {short_repr(values.tolist())}")
    return values.reshape(-1, 2) if kind == "polygon" else values


def _joined(label: int, members: list, height: int, width: int) -> dict[str, Any] | None:
    polygons = [drawn for kind, drawn in members if kind == "polygon" and len(drawn) > 2]
    rles = [drawn for kind, drawn in members if kind == "mask"]
    boxes = [drawn for kind, drawn in members if kind == "bbox"]
    if rles:
        if polygons:
            rles.append(polygons_rle(polygons, height, width))
        return rle_object(label, union_rle(rles))
    if polygons:
        return polygon_object(label, polygons, height, width)
    if not boxes:
        return None
    x, y, w, h = boxes[0]
    return box_object(label, x, y, x + w, y + h, height, width)
