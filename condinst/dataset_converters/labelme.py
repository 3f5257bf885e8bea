"""Read labelme: one json per image with polygons, rectangles, circles and small masks.

supervision 0.31.2 (``DetectionDataset.from_labelme``) reads polygons and rectangles only. It rounds
corners to whole pixels and keeps a mask of the image's size per object.
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

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size, read_label_map
from condinst.dataset_converters.labelme_images import write_embedded
from condinst.dataset_converters.named_images import missing_image
from condinst.dataset_converters.outlines import (
    check_label,
    check_pixels,
    ellipse,
    mask_rle,
    polygon_object,
    rectangle,
    rle_object,
    union_rle,
)
from condinst.dataset_converters.records import EVERY_CLASS, AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.entry_issues import short_repr
from condinst.datasets.coco.entry_values import MAX_SIDE
from condinst.masks.polygon_rle import polygons_to_rle

__all__ = ["find_labelme", "read_labelme"]

_IGNORED, _BACKGROUND = "__ignore__", "_background_"  # labelme's own labels


def find_labelme(folder: Folder) -> list[str]:
    """Return the folder's labelme files, relative to the folder."""
    return folder.json_kinds.get("labelme", [])


def read_labelme(folder: Folder, files: list[str], notes: Notes, out: Path) -> AnnotationSource:
    """Read labelme files; shapes with the same label and ``group_id`` are one instance.

    Args:
        folder: the dataset's folder.
        files: the labelme files, relative to the folder.
        notes: receives every decision.
        out: the folder that receives images that only the files hold (imageData).

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    return AnnotationSource("labelme", _read_all(folder, files, notes, out), None)


def _read_all(folder: Folder, files: list[str], notes: Notes, out: Path) -> Iterator[ImageRecord]:
    used = set()
    for file in files:
        path = folder.root / file
        data = read_json(path)
        if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
            raise ValueError(f"{path}: not labelme's layout: expected a list under the key shapes")
        name = _image(folder, file, data)
        image = folder.root / name if name is not None else write_embedded(path, file, data, out)
        if image is None:
            stated = data.get("imagePath")
            why = missing_image(folder, stated) if isinstance(stated, str) else None
            if why:
                raise ValueError(f"{path}: {why}")
            notes.miss("labelme files without an image, left out", file)
            continue
        if name is None:
            notes.count(f"Images that only labelme files hold, written to {image.parent}", file)
        elif name in used:
            raise ValueError(f"{path}: a second labelme file for the image {name}")
        else:
            used.add(name)
        height, width = image_size(image, _stated_size(path, data))
        objects = list(_objects(path, file, data["shapes"], height, width, notes))
        if not objects:
            notes.count("Images without objects, kept as negatives", name or file)
        yield ImageRecord(image, height, width, objects, stated_split(os.path.dirname(file)))
    _check_others(folder)
    for name in folder.images:
        if name not in used:
            notes.count(
                "Images without a labelme file, left out (nothing says that they hold no object; "
                "save them in labelme without shapes to learn from them)",
                name,
            )


def _check_others(folder: Folder) -> None:
    """Refuse a damaged json file that has the name of an image: its annotations would be lost."""
    for file in folder.json_kinds.get("", []):
        if os.path.splitext(file)[0] not in folder.by_stem:
            continue
        path = folder.root / file
        data = read_json(path)
        if not data or (isinstance(data, dict) and "shapes" in data):
            raise ValueError(f"{path}: not labelme's layout: expected a list under the key shapes")


def _stated_size(path: Path, data: dict) -> tuple[int, int] | None:
    """Return the height and width that a file states; None where one is missing."""
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
        raise ValueError(f"{path}: {key}: expected a number of pixels, got {short_repr(value)}")
    return sides[0], sides[1]


def _image(folder: Folder, file: str, data: dict) -> str | None:
    """Return the image of imagePath, or the image beside the json with the same name."""
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
            notes.count(f"Shapes without an area ({short_repr(kind)}), left out", where)
        elif isinstance(drawn, np.ndarray) and len(drawn) < 3:
            notes.count("Polygons of fewer than three points, left out", where)
        else:
            key = (label, number, "alone") if group is None else (label, group)
            groups.setdefault(key, []).append((drawn, where, shape.get("shape_type")))
    for (label, *_), members in groups.items():
        if label == _BACKGROUND:
            notes.count(f"Shapes labeled {_BACKGROUND}, left out", members[0][1])
            continue
        ignored = label == _IGNORED
        found = _joined(
            EVERY_CLASS if ignored else label, [drawn for drawn, _, _ in members], height, width
        )
        if found is None:
            notes.count("Objects that cover no pixel, left out", members[0][1])
            continue
        if ignored:
            found["iscrowd"] = 1
            notes.count(f"Regions labeled {_IGNORED}, kept as crowds of all classes", members[0][1])
        elif len(members) > 1:
            notes.join(len(members))
        elif members[0][2] == "rectangle":
            found["rectangle"] = True
        yield found


def _label(shape: Any) -> str:
    if not isinstance(shape, dict):
        raise ValueError(f"expected a dict, got {short_repr(shape)}")
    label = shape["label"]
    if type(label) not in (str, int) or not check_label(label) or label == "":
        raise ValueError(f"label: expected a short text, got {short_repr(label) or 'an empty one'}")
    return str(label)


def _group(shape: dict) -> Any:
    group = shape.get("group_id")
    if group is not None and type(group) not in (int, float, str):
        raise ValueError(f"group_id: expected a number, got {short_repr(group)}")
    return group


def _joined(label: str, parts: list, height: int, width: int) -> dict[str, Any] | None:
    """Join (N, 2) polygons and RLEs to one instance; None where it covers no pixel."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return polygon_object(label, parts, height, width)
    rles = [
        polygons_to_rle([part.ravel()], height, width) if isinstance(part, np.ndarray) else part
        for part in parts
    ]
    return rle_object(label, union_rle(rles))


# labelme, and X-AnyLabeling's name of a turned rectangle
_CORNERS = ("rectangle", "oriented_rectangle", "rotation")


def _drawn(shape: dict, height: int, width: int) -> Any:
    """Return the (N, 2) polygon or the RLE of a shape; None for lines and points."""
    kind = shape.get("shape_type") or "polygon"
    points = check_pixels(shape["points"])
    if points.ndim != 2 or points.shape[1] != 2:
        if points.size:
            raise ValueError(f"points: expected [[x, y], ...], got {short_repr(shape['points'])}")
        points = points.reshape(0, 2)
    if kind in ("rectangle", "circle") and len(points) < 2 or kind == "mask" and not len(points):
        raise ValueError(f"points: a {kind} needs {1 if kind == 'mask' else 2}, got {len(points)}")
    if kind == "polygon" or (kind in _CORNERS and len(points) > 2):
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
    """Return the RLE of a PNG in base64 whose top left pixel lies at the first point."""
    text = shape["mask"]
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"mask: expected a PNG in base64, got {short_repr(text)}")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(
            f"mask: expected a PNG in base64, got {short_repr(text)} ({error})"
        ) from None
    small = read_label_map(io.BytesIO(data), within=(height, width)) != 0
    x, y = (int(v) for v in points[0])
    full = np.zeros((height, width), bool)
    if x < 0 or y < 0 or x + small.shape[1] > width or y + small.shape[0] > height:
        raise ValueError(
            f"the mask of {small.shape[1]} x {small.shape[0]} at {x}, {y} leaves the image of "
            f"{width} x {height}"
        )
    full[y : y + small.shape[0], x : x + small.shape[1]] = small
    return mask_rle(full)
