"""Read CVAT's own export, "CVAT for images 1.1": one xml with an element for each image.

The layout is that of CVAT's manual: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import NamedImages
from condinst.dataset_converters.outlines import (
    box_object,
    check_label,
    check_pixels,
    ellipse,
    mask_rle,
    polygon_object,
    polygons_rle,
    rle_object,
    union_rle,
)
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.dataset_converters.xml_files import number, read_xml, xml_root_name
from condinst.datasets.coco.entry_issues import short_repr
from condinst.datasets.coco.entry_values import MAX_SIDE

__all__ = ["find_cvat", "read_cvat"]

_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton")


def find_cvat(folder: Folder) -> list[str]:
    """Return the folder's CVAT files, relative to the folder."""
    return [
        f for f in folder.with_suffix(".xml") if xml_root_name(folder.root / f) == "annotations"
    ]


def read_cvat(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read CVAT's files; shapes of one label and group are one instance.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    return AnnotationSource("cvat", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[ImageRecord]:
    images = NamedImages(folder, notes)
    for file in files:
        path = folder.root / file
        root = read_xml(path)
        if root.find("track") is not None:
            raise ValueError(
                f"{path}: this is CVAT's export for videos; export the task as \"CVAT for images "
                '1.1" or as COCO 1.0'
            )
        for entry in root.iter("image"):
            stated = entry.get("name") or ""
            if not stated or not stated.isprintable():
                raise ValueError(f"{path}: expected an image with a name, got {short_repr(stated)}")
            name = images.find(file, stated, os.path.dirname(file))
            if name is None:
                continue
            where = f"{path}: {stated}"
            size = tuple(int(number(entry.get(k), f"{where}: {k}")) for k in ("height", "width"))
            height, width = image_size(folder.root / name, size)  # type: ignore[arg-type]
            objects = list(_objects(entry, where, height, width, notes))
            if not objects:
                notes.count("Images without objects, kept as negatives", name)
            split = stated_split(entry.get("subset") or "") or stated_split(os.path.dirname(name))
            yield ImageRecord(folder.root / name, height, width, objects, split)
    images.count_others("no CVAT file")


def _objects(
    entry: Element, where: str, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple, list[Any]] = {}
    for place, shape in enumerate(entry):
        if shape.tag not in _SHAPES:
            continue
        at = f"{where}, {shape.tag} {place}"
        label = shape.get("label")
        if label is None or not label or not check_label(label):
            raise ValueError(f"{at}: label: expected a text, got {short_repr(label)}")
        try:
            drawn = _drawn(shape, height, width)
        except ValueError as error:
            raise ValueError(f"{at}: {error}") from None
        group = shape.get("group_id") or "0"
        key = (label, group) if group != "0" else (label, place, "alone")
        if drawn is None:
            notes.count(f"Shapes without an area ({shape.tag}), left out", at)
        else:
            groups.setdefault(key, []).append((drawn, at))
    for (label, *_), members in groups.items():
        found = _joined(label, [drawn for drawn, _ in members], height, width)
        if found is None:
            notes.count("Objects that cover no pixel, left out", members[0][1])
        else:
            if len(members) > 1:
                notes.join(len(members))
            yield found


def _joined(label: str, parts: list[Any], height: int, width: int) -> dict[str, Any] | None:
    """Join polygons, RLEs and boxes (as tuples) to one instance; None if it covers no pixel."""
    boxes = [part for part in parts if isinstance(part, tuple)]
    parts = [part for part in parts if not isinstance(part, tuple)]
    if not parts:
        x1, y1, x2, y2 = np.array(boxes).T
        return box_object(label, x1.min(), y1.min(), x2.max(), y2.max(), height, width)
    if all(isinstance(part, np.ndarray) for part in parts):
        return polygon_object(label, parts, height, width)
    rles = [
        polygons_rle([part], height, width) if isinstance(part, np.ndarray) else part
        for part in parts
    ]
    return rle_object(label, union_rle(rles))


def _drawn(shape: Element, height: int, width: int) -> Any:
    """Return an (N, 2) polygon, an RLE, or a box as a tuple; None for a shape without an area."""
    if shape.tag == "polygon":
        points = [pair.split(",") for pair in (shape.get("points") or "").split(";") if pair]
        found = check_pixels([[number(v, "points") for v in pair] for pair in points])
        if found.ndim != 2 or found.shape[1] != 2:
            raise ValueError(f"points: expected x,y;x,y;..., got {short_repr(shape.get('points'))}")
        return found if len(found) >= 3 else None
    if shape.tag == "box":
        x1, y1, x2, y2 = check_pixels([_of(shape, key) for key in ("xtl", "ytl", "xbr", "ybr")])
        return float(x1), float(y1), float(x2), float(y2)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = check_pixels([_of(shape, key) for key in ("cx", "cy", "rx", "ry")])
        angle = number(shape.get("rotation") or "0", "rotation")
        return ellipse(cx, cy, rx, ry, float(np.deg2rad(angle)))
    if shape.tag == "mask":
        return _mask(shape, height, width)
    return None


def _of(shape: Element, key: str) -> float:
    return number(shape.get(key), key)


def _mask(shape: Element, height: int, width: int) -> dict[str, Any]:
    """Return the RLE of a mask: runs along the rows of its box, background first."""
    left, top, wide, high = (
        int(check_pixels(_of(shape, key))) for key in ("left", "top", "width", "height")
    )
    words = (shape.get("rle") or "").split(",")
    try:
        counts = np.array([int(word) for word in words])
    except (ValueError, OverflowError):
        raise ValueError(f"rle: expected numbers, got {short_repr(shape.get('rle'))}") from None
    inside = left >= 0 and top >= 0 and left + wide <= width and top + high <= height
    if not inside or wide < 1 or high < 1 or wide > MAX_SIDE:
        raise ValueError(
            f"the mask of {wide} x {high} at {left}, {top} leaves the image of {width} x {height}"
        )
    if counts.min() < 0 or counts.max() > wide * high or counts.sum() != wide * high:
        raise ValueError(f"rle: expected runs of {wide * high} pixels, got {counts.sum()}")
    bits = np.repeat(np.arange(len(counts)) % 2, counts).reshape(high, wide).astype(bool)
    full = np.zeros((height, width), bool)
    full[top : top + high, left : left + wide] = bits
    return mask_rle(full)
