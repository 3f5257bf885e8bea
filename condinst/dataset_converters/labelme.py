"""labelme: one json per image with polygons, rectangles, circles and small masks.

supervision reads polygons and rectangles (0.31.2: ``DetectionDataset.from_labelme``), drawn from
corners rounded to whole pixels and with a mask of the image's size per object; circles and masks
it leaves out.
"""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.folder import Folder, read_json, stated_part
from condinst.dataset_converters.image_sizes import image_size, read_label_map
from condinst.dataset_converters.outlines import (
    check_label,
    check_pixels,
    ellipse,
    mask_code,
    polygon_object,
    rectangle,
    rle_object,
    union_code,
)
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.coco_entries import MAX_SIDE
from condinst.datasets.coco.entry_issues import shown
from condinst.masks.polygon_rle import polygons_to_rle

__all__ = ["find_labelme", "read_labelme"]


def find_labelme(folder: Folder) -> list[str]:
    """The folder's labelme files, relative to it."""
    return folder.json_kinds.get("labelme", [])


def read_labelme(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Shapes with the same label and ``group_id`` are one instance.

    Raises:
        ValueError: a file is broken, or its sizes are not its image's.
    """
    return AnnotationSource("labelme", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[ImageRecord]:
    used = set()
    for file in files:
        path = folder.root / file
        data = read_json(path)
        if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
            raise ValueError(f"{path}: not labelme's layout: expected a list under the key shapes")
        name = _image(folder, file, data)
        if name is None:
            embedded = bool(data.get("imageData"))
            notes.count(
                "labelme files whose image is missing but embedded (write it with labelme's "
                "labelme_export_json), left out"
                if embedded
                else "labelme files without an image, left out",
                file,
            )
            continue
        if name in used:
            raise ValueError(f"{path}: a second labelme file for the image {name}")
        used.add(name)
        height, width = image_size(folder.root / name, _stated_size(path, data))
        objects = list(_objects(path, file, data["shapes"], height, width, notes))
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(
            folder.root / name, height, width, objects, stated_part(os.path.dirname(file))
        )
    for name in folder.images:
        if name not in used:
            notes.count(
                "Images without a labelme file, left out (nothing says that they hold no object; "
                "save them in labelme without shapes to learn from them)",
                name,
            )


def _stated_size(path: Path, data: dict) -> tuple[int, int] | None:
    """Height and width; None where one is not given."""
    sides = []
    for key in ("imageHeight", "imageWidth"):
        value = data.get(key)
        if value is None:
            return None
        text = value if isinstance(value, str) else ""
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else value
        whole = type(number) is int or (type(number) is float and number.is_integer())
        if whole and 0 < number <= MAX_SIDE:
            sides.append(int(number))
            continue
        raise ValueError(f"{path}: {key}: expected a number of pixels, got {shown(value)}")
    return sides[0], sides[1]


def _image(folder: Folder, file: str, data: dict) -> str | None:
    """Its imagePath, or the image beside the json that has its name."""
    beside = os.path.dirname(file)
    stated = data.get("imagePath")
    if isinstance(stated, str) and (found := folder.find_image(stated, beside)):
        return found
    return folder.by_stem.get(os.path.splitext(file)[0])


def _objects(
    path: Path, file: str, shapes: list, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple, list] = {}
    for number, shape in enumerate(shapes):
        where = f"{file}, shape {number}"
        try:
            label, group = _label(shape), _group(shape)
            drawn = _drawn(shape, height, width)
        except KeyError as error:
            raise ValueError(
                f"{path}: shapes[{number}]: not labelme's layout: needs the key {error.args[0]}"
            ) from None
        except ValueError as error:
            raise ValueError(f"{path}: shapes[{number}]: {error}") from None
        if drawn is None:
            kind = shape.get("shape_type")
            notes.count(f"Shapes without an area ({shown(kind)}), left out", where)
        elif isinstance(drawn, np.ndarray) and len(drawn) < 3:
            notes.count("Polygons of fewer than three points, left out", where)
        else:
            key = (label, number, "alone") if group is None else (label, group)
            groups.setdefault(key, []).append((drawn, where))
    for (label, *_), members in groups.items():
        found = _joined(label, [drawn for drawn, _ in members], height, width)
        if found is None:
            notes.count("Objects that cover no pixel, left out", members[0][1])
        else:
            yield found


def _label(shape: Any) -> str:
    if not isinstance(shape, dict):
        raise ValueError(f"expected a dict, got {shown(shape)}")
    label = shape["label"]
    if type(label) not in (str, int) or not check_label(label):
        raise ValueError(f"label: expected a short text, got {shown(label)}")
    return str(label)


def _group(shape: dict) -> Any:
    group = shape.get("group_id")
    if group is not None and type(group) not in (int, float, str):
        raise ValueError(f"group_id: expected a number, got {shown(group)}")
    return group


def _joined(label: str, parts: list, height: int, width: int) -> dict[str, Any] | None:
    """An instance of polygons and run-length codes."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return polygon_object(label, parts, height, width)
    codes = [
        polygons_to_rle([part.ravel()], height, width) if isinstance(part, np.ndarray) else part
        for part in parts
    ]
    return rle_object(label, union_code(codes))


def _drawn(shape: dict, height: int, width: int) -> Any:
    """An (N, 2) polygon or a run-length code; None for lines and points."""
    kind = shape.get("shape_type") or "polygon"
    points = check_pixels(shape["points"])
    if points.ndim != 2 or points.shape[1] != 2:
        if points.size:
            raise ValueError(f"points: expected [[x, y], ...], got {shown(shape['points'])}")
        points = points.reshape(0, 2)
    if kind in ("rectangle", "circle") and len(points) < 2 or kind == "mask" and not len(points):
        raise ValueError(f"points: a {kind} needs more of them, got {len(points)}")
    if kind == "polygon" or (kind in ("rectangle", "oriented_rectangle") and len(points) > 2):
        return points
    if kind == "rectangle":
        return rectangle(*points[0], *points[1])
    if kind == "circle":
        radius = math.dist(points[0], points[1])
        return ellipse(float(points[0][0]), float(points[0][1]), radius, radius)
    if kind == "mask":
        return _mask(shape, points, height, width)
    return None


def _mask(shape: dict, points: np.ndarray, height: int, width: int) -> dict[str, Any]:
    """A PNG in base64, whose first pixel is at the first point."""
    text = shape["mask"]
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"mask: expected a PNG in base64, got {shown(text)}")
    data = base64.b64decode(text, validate=True)
    small = read_label_map(io.BytesIO(data), within=(height, width)) != 0
    x, y = (int(v) for v in points[0])
    full = np.zeros((height, width), bool)
    if x < 0 or y < 0 or x + small.shape[1] > width or y + small.shape[0] > height:
        raise ValueError(
            f"the mask of {small.shape[1]} x {small.shape[0]} at {x}, {y} leaves the image of "
            f"{width} x {height}"
        )
    full[y : y + small.shape[0], x : x + small.shape[1]] = small
    return mask_code(full)
