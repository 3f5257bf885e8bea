"""labelme: one json per picture with polygons, rectangles, circles and small masks.

supervision reads polygons and rectangles (0.31.2: ``DetectionDataset.from_labelme``), drawn from
corners rounded to whole pixels and with a mask of the picture's size per object; circles and masks
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
from pycocotools import mask as coco_mask

from condinst.annotations.folder import Folder, read_json, stated_part
from condinst.annotations.pictures import picture_size, read_label_map
from condinst.annotations.records import Notes, Picture, Source
from condinst.annotations.shapes import (
    ellipse,
    mask_code,
    polygon_object,
    rectangle,
    rle_object,
    union_code,
)

__all__ = ["find_labelme", "read_labelme"]


def find_labelme(folder: Folder) -> list[str]:
    """The folder's labelme files, relative to it."""
    return folder.json_kinds.get("labelme", [])


def read_labelme(folder: Folder, files: list[str], notes: Notes) -> Source:
    """Shapes with the same label and ``group_id`` are one instance.

    Raises:
        ValueError: a file is broken, or its sizes are not its picture's.
    """
    return Source("labelme", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[Picture]:
    used = set()
    for file in files:
        path = folder.root / file
        data = read_json(path)
        if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
            raise ValueError(f"{path}: not labelme's layout: expected a list under the key shapes")
        name = _picture(folder, file, data)
        if name is None:
            embedded = bool(data.get("imageData"))
            notes.count(
                "labelme files whose picture is missing but embedded (write it with labelme's "
                "labelme_export_json), left out"
                if embedded
                else "labelme files without a picture, left out",
                file,
            )
            continue
        if name in used:
            raise ValueError(f"{path}: a second labelme file for the picture {name}")
        used.add(name)
        stated = (data.get("imageHeight"), data.get("imageWidth"))
        height, width = picture_size(folder.root / name, None if None in stated else stated)  # type: ignore[arg-type]
        objects = list(_objects(path, file, data["shapes"], height, width, notes))
        if not objects:
            notes.count("Pictures without objects, kept as negatives", name)
        yield Picture(
            folder.root / name, height, width, objects, stated_part(os.path.dirname(file))
        )
    for name in folder.pictures:
        if name not in used:
            notes.count(
                "Pictures without a labelme file, left out (nothing says that they hold no object; "
                "save them in labelme without shapes to learn from them)",
                name,
            )


def _picture(folder: Folder, file: str, data: dict) -> str | None:
    """Its imagePath, or the picture beside the json that has its name."""
    beside = os.path.dirname(file)
    stated = data.get("imagePath")
    if stated and (found := folder.find_picture(str(stated), beside)):
        return found
    return folder.by_stem.get(os.path.splitext(file)[0])


def _objects(
    path: Path, file: str, shapes: list, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple, list] = {}
    for number, shape in enumerate(shapes):
        where = f"{file}, shape {number}"
        try:
            label, group = str(shape["label"]), shape.get("group_id")
            drawn = _drawn(shape, height, width)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{path}: shapes[{number}]: not labelme's layout: {type(error).__name__}: {error}"
            ) from None
        if drawn is None:
            kind = shape.get("shape_type")
            notes.count(f"Shapes without an area ({kind}), left out", where)
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


def _joined(label: str, parts: list, height: int, width: int) -> dict[str, Any] | None:
    """An instance of polygons and run-length codes."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return polygon_object(label, parts, height, width)
    codes = [
        coco_mask.frPyObjects([part.ravel().tolist()], height, width)[0]
        if isinstance(part, np.ndarray)
        else part
        for part in parts
    ]
    return rle_object(label, union_code(codes))


def _drawn(shape: dict, height: int, width: int) -> Any:
    """An (N, 2) polygon or a run-length code; None for lines and points."""
    kind = shape.get("shape_type") or "polygon"
    points = np.array(shape["points"], float).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("expected finite points")
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
    data = base64.b64decode(shape["mask"], validate=True)
    small = read_label_map(io.BytesIO(data)) != 0
    x, y = (int(v) for v in points[0])
    full = np.zeros((height, width), bool)
    if x < 0 or y < 0 or x + small.shape[1] > width or y + small.shape[0] > height:
        raise ValueError(
            f"the mask of {small.shape[1]} x {small.shape[0]} at {x}, {y} leaves the picture of "
            f"{width} x {height}"
        )
    full[y : y + small.shape[0], x : x + small.shape[1]] = small
    return mask_code(full)
