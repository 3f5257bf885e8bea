"""Read Supervisely's format: ann/NAME.json with objects, img/NAME, and meta.json.

The layout is that of https://docs.supervisely.com/data-organization/00_ann_format_navi
"""

from __future__ import annotations

import base64
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size, read_label_map
from condinst.dataset_converters.named_images import NamedImages
from condinst.dataset_converters.outlines import (
    box_object,
    check_label,
    check_pixels,
    mask_rle,
    polygon_object,
    rings_rle,
    rle_object,
)
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_supervisely", "read_supervisely"]

_MOST = 1 << 28  # bytes of an unpacked bitmap


def find_supervisely(folder: Folder) -> list[str]:
    """Return the folder's Supervisely files, relative to the folder."""
    return folder.json_kinds.get("supervisely", [])


def read_supervisely(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read Supervisely's files; each object is one instance.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    return AnnotationSource("supervisely", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[ImageRecord]:
    images = NamedImages(folder, notes)
    for file in files:
        path = folder.root / file
        data = read_json(path)
        if not isinstance(data, dict) or not isinstance(data.get("objects"), list):
            raise ValueError(f"{path}: not Supervisely's layout: expected a list under objects")
        name = images.find(file, *_stated(folder, file))
        if name is None:
            continue
        height, width = image_size(folder.root / name, _stated_size(path, data))
        objects = list(_objects(path, data["objects"], height, width, notes))
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        split = stated_split(os.path.dirname(name))
        yield ImageRecord(folder.root / name, height, width, objects, split)
    images.count_others("no Supervisely file")


def _stated(folder: Folder, file: str) -> tuple[str, str]:
    """Return the image of ann/a.png.json or ann/a.json, and the folder to look in first."""
    place, base = os.path.split(file)
    beside = os.path.join(os.path.dirname(place), "img")
    stem = base.removesuffix(".json")
    if not os.path.splitext(stem)[1] or folder.find_image(stem, beside) is None:
        found = folder.by_stem.get(f"{beside}/{stem}") or folder.by_stem.get(f"{place}/{stem}")
        if found is not None:
            return os.path.basename(found), os.path.dirname(found)
    return stem, beside


def _stated_size(path: Path, data: dict) -> tuple[int, int] | None:
    size = data.get("size")
    if size is None:
        return None
    sides = (size.get("height"), size.get("width")) if isinstance(size, dict) else (None, None)
    if not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"{path}: size: expected height and width, got {short_repr(size)}")
    return sides  # type: ignore[return-value]


def _objects(
    path: Path, entries: list, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    for number, entry in enumerate(entries):
        where = f"{path}: objects[{number}]"
        label = entry.get("classTitle") if isinstance(entry, dict) else None
        if label is None or not check_label(label):
            raise ValueError(f"{where}: expected a classTitle, got {short_repr(entry)}")
        kind = entry.get("geometryType") or ("bitmap" if entry.get("bitmap") else "polygon")
        if kind not in ("polygon", "bitmap", "rectangle"):
            notes.count(f"Shapes without an area ({short_repr(kind)}), left out", where)
            continue
        try:
            found = _object(str(label), kind, entry, height, width)
        except KeyError as error:
            raise ValueError(f"{where}: expected the key {error.args[0]}") from None
        except (ValueError, TypeError, zlib.error) as error:
            raise ValueError(f"{where}: {error}") from None
        if found is None:
            notes.count("Objects that cover no pixel, left out", where)
        else:
            yield found


def _object(label: str, kind: str, entry: dict, height: int, width: int) -> dict[str, Any] | None:
    if kind == "bitmap":
        return rle_object(label, _bitmap(entry["bitmap"], height, width))
    points = entry["points"]
    outer = _points(points["exterior"])
    if kind == "rectangle":
        if len(outer) != 2:
            raise ValueError(f"exterior: a rectangle needs two points, got {len(outer)}")
        (x1, y1), (x2, y2) = outer.min(axis=0).tolist(), outer.max(axis=0).tolist()
        return box_object(label, x1, y1, x2, y2, height, width)
    holes = points.get("interior") or []
    if len(outer) < 3 or not isinstance(holes, list):
        return None
    if not holes:
        return polygon_object(label, [outer], height, width)
    rings = [outer, *(ring for ring in map(_points, holes) if len(ring) > 2)]
    return rle_object(label, rings_rle(rings, height, width))


def _points(values: Any) -> np.ndarray:
    points = check_pixels(values)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected [[x, y], ...], got {short_repr(values)}")
    return points


def _bitmap(bitmap: Any, height: int, width: int) -> dict[str, Any]:
    """Return the RLE of a PNG, packed by zlib, in base64, whose first pixel is at ``origin``."""
    data = base64.b64decode(bitmap["data"], validate=True)
    unpack = zlib.decompressobj()
    png = unpack.decompress(data, _MOST)
    if unpack.unconsumed_tail:
        raise ValueError(f"bitmap: over {_MOST >> 20} MB")
    small = read_label_map(io.BytesIO(png), within=(height, width), alpha=True) != 0
    x, y = (int(v) for v in check_pixels(bitmap["origin"]))
    if x < 0 or y < 0 or x + small.shape[1] > width or y + small.shape[0] > height:
        raise ValueError(
            f"the bitmap of {small.shape[1]} x {small.shape[0]} at {x}, {y} leaves the image of "
            f"{width} x {height}"
        )
    full = np.zeros((height, width), bool)
    full[y : y + small.shape[0], x : x + small.shape[1]] = small
    return mask_rle(full)
