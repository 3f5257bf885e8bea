"""Read Label Studio's JSON and JSON-MIN exports: polygons, brushes, rectangles and ellipses.

Coordinates are percent of the image's width and height. The layout is that of
https://labelstud.io/guide/export and https://labelstud.io/tags/polygonlabels
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np

from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import NamedImages
from condinst.dataset_converters.outlines import (
    box_object,
    check_label,
    check_pixels,
    ellipse,
    mask_rle,
    polygon_object,
    rectangle,
    rle_object,
)
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.datasets.coco.entry_issues import short_repr
from condinst.images.sources import IMAGE_SUFFIXES

__all__ = ["decode_brush", "find_label_studio", "read_label_studio"]

_UPLOAD = re.compile(r"[0-9a-f]{8}-")  # Label Studio's prefix of an uploaded file's name
_AREAS = ("polygon", "brush", "rectangle", "ellipse")


def find_label_studio(folder: Folder) -> list[str]:
    """Return the folder's Label Studio files, relative to the folder."""
    return folder.json_kinds.get("label-studio", [])


def read_label_studio(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read Label Studio files; each region is one instance.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    return AnnotationSource("label-studio", _read_all(folder, files, notes), None)


def _read_all(folder: Folder, files: list[str], notes: Notes) -> Iterator[ImageRecord]:
    images = NamedImages(folder, notes)
    for file in files:
        path = folder.root / file
        data = read_json(path)
        tasks = data if isinstance(data, list) else [data]
        for number, task in enumerate(tasks):
            where = f"{path}: task {number}"
            if not isinstance(task, dict):
                raise ValueError(f"{where}: expected a dict, got {short_repr(task)}")
            stated = _image_name(task)
            if stated is None:
                raise ValueError(f"{where}: expected an image under data, got {short_repr(task)}")
            base = stated.rpartition("/")[2]
            if _UPLOAD.match(base) and folder.find_image(stated, os.path.dirname(file)) is None:
                stated = _uploaded(folder, base[9:])
            name = images.find(file, stated, os.path.dirname(file))
            if name is None:
                continue
            results = _results(task, where, notes)
            if results is None:
                notes.count("Tasks that nobody has annotated, left out", name)
                continue
            height, width = image_size(folder.root / name, _stated_size(results, where))
            objects = list(_objects(results, where, height, width, notes))
            if not objects:
                notes.count("Images without objects, kept as negatives", name)
            split = stated_split(os.path.dirname(name))
            yield ImageRecord(folder.root / name, height, width, objects, split)
    images.count_others("no Label Studio file")


def _uploaded(folder: Folder, name: str) -> str:
    """Return the image that Label Studio calls ``name`` after an upload, else that name.

    It writes _ for spaces and drops other characters, as Django's ``get_valid_filename``.
    """
    if folder.find_image(name) is not None:
        return name
    found = [
        file
        for file in folder.images
        if re.sub(r"[^-\w.]", "", os.path.basename(file).strip().replace(" ", "_")) == name
    ]
    return found[0] if len(found) == 1 else name


def _image_name(task: dict) -> str | None:
    """Return the path of a task's image: the value that ends in an image's suffix."""
    data = task["data"] if isinstance(task.get("data"), dict) else task
    for key, value in sorted(data.items(), key=lambda item: item[0] not in ("image", "img")):
        if not isinstance(value, str) or len(value) > 4000 or not value.isprintable():
            continue
        address = urllib.parse.urlsplit(value) if "://" in value or "?" in value else None
        local = urllib.parse.parse_qs(address.query).get("d") if address else None
        name = local[0] if local else urllib.parse.unquote(address.path if address else value)
        if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES or key in ("image", "img"):
            return name or None
    return None


def _results(task: dict, where: str, notes: Notes) -> list[dict] | None:
    """Return the regions of a task's first annotation that was not canceled.

    None if nobody has submitted one, so that the image may have objects. A task without annotations
    that was written for an import has predictions instead.
    """
    stored = task.keys() & {"annotations", "completions"}
    if not stored and isinstance(task.get("predictions"), list):
        notes.count("Tasks with predictions alone, of which the first is used", where)
        task = {"annotations": task["predictions"][:1]}
    elif not stored:  # JSON-MIN
        lists = [v for v in task.values() if isinstance(v, list)]
        found = [r for results in lists for r in results if isinstance(r, dict)]
        found = [r for r in found if "original_width" in r]
        return found if found or task.keys() & {"annotation_id", "annotator"} else None
    annotations = task.get("annotations") or task.get("completions") or []
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise ValueError(f"{where}: annotations: expected a list, got {short_repr(annotations)}")
    done = [a for a in annotations if not (a.get("was_cancelled") or a.get("skipped"))]
    if not done:
        return None
    if len(done) > 1:
        notes.count("Tasks with several annotations, of which the first is used", where)
    results = done[0].get("result")
    if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
        raise ValueError(f"{where}: result: expected a list, got {short_repr(results)}")
    return results


def _stated_size(results: list[dict], where: str) -> tuple[int, int] | None:
    for result in results:
        sides = result.get("original_height"), result.get("original_width")
        if all(type(side) is int for side in sides):
            if result.get("image_rotation"):
                raise ValueError(f"{where}: a rotated image (image_rotation) is not read")
            return sides  # type: ignore[return-value]
    return None


def _objects(
    results: list[dict], where: str, height: int, width: int, notes: Notes
) -> Iterator[dict[str, Any]]:
    for number, result in enumerate(results):
        at = f"{where}, region {number}"
        value = result["value"] if isinstance(result.get("value"), dict) else result
        kind, labels = _kind(value)
        if kind is None:
            if result.get("type") not in ("choices", "textarea", "rating", "relation"):
                notes.count(
                    f"Regions without an area ({short_repr(result.get('type'))}), left out", at
                )
            continue
        if not labels:
            notes.count("Regions without a label, left out", at)
            continue
        if not check_label(labels[0]):
            raise ValueError(f"{at}: expected a label, got {short_repr(labels[0])}")
        if len(labels) > 1:
            notes.count("Regions with several labels, of which the first is used", at)
        try:
            found = _object(str(labels[0]), kind, value, height, width)
        except KeyError as error:
            raise ValueError(f"{at}: expected the key {error.args[0]}") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{at}: {error}") from None
        if found is None:
            notes.count("Objects that cover no pixel, left out", at)
        else:
            yield found


def _kind(value: dict) -> tuple[str | None, list]:
    for kind in _AREAS:
        labels = value.get(f"{kind}labels")
        if isinstance(labels, list):
            return kind, labels
    for kind, key in (("polygon", "points"), ("brush", "rle"), ("ellipse", "radiusX")):
        labels = value.get("labels")
        if key in value and isinstance(labels, list):
            return kind, labels
    if isinstance(value.get("labels"), list) and "width" in value:
        return "rectangle", value["labels"]
    return None, []


def _object(label: str, kind: str, value: dict, height: int, width: int) -> dict[str, Any] | None:
    scale = np.array([width, height]) / 100
    if kind == "polygon":
        points = check_pixels(value["points"])
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"points: expected [[x, y], ...], got {short_repr(value['points'])}")
        return polygon_object(label, [points * scale], height, width) if len(points) > 2 else None
    if kind == "brush":
        if value.get("format", "rle") != "rle":
            raise ValueError(f"format: expected rle, got {short_repr(value.get('format'))}")
        return rle_object(label, mask_rle(decode_brush(value["rle"], height, width)))
    turn = float(np.deg2rad(check_pixels(value.get("rotation") or 0)))
    if kind == "ellipse":
        x, y, rx, ry = check_pixels([value[k] for k in ("x", "y", "radiusX", "radiusY")])
        outline = ellipse(x * scale[0], y * scale[1], rx * scale[0], ry * scale[1], turn)
        return polygon_object(label, [outline], height, width)
    x, y, w, h = check_pixels([value[k] for k in ("x", "y", "width", "height")]) * [*scale, *scale]
    if not turn:
        return box_object(label, x, y, x + w, y + h, height, width)
    cos, sin = np.cos(turn), np.sin(turn)  # about the top left corner
    corners = rectangle(0, 0, w, h) @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
    return polygon_object(label, [corners], height, width)


class _Bits:
    """Read unsigned numbers of a few bits each from bytes."""

    def __init__(self, data: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(data, np.uint8))
        self._place = 0

    def read(self, count: int) -> int:
        part = self._bits[self._place : self._place + count]
        if len(part) < count:
            raise ValueError("rle: it ends too early")
        self._place += count
        return int(part.dot(1 << np.arange(count, dtype=np.int64)[::-1]))


def decode_brush(numbers: Any, height: int, width: int) -> np.ndarray:
    """Return the (H, W) bool mask of a brush's ``rle``, bytes that encode RGBA pixels.

    The bytes are a stream of bits: 32 for the number of values, 5 for the bits of a value less
    one, four times 4 for the bits of a run's length less one. Then blocks follow: 1 bit that tells
    a run of one value from a list of values, 2 bits that choose the length's bits, the length less
    one, and the value or values. The alpha is the mask.

    Raises:
        ValueError: the bytes do not encode an image of this size.
    """
    if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 256 for n in numbers):
        raise ValueError(f"rle: expected bytes, got {short_repr(numbers)}")
    bits = _Bits(bytes(numbers))
    count, size = bits.read(32), bits.read(5) + 1
    if count != 4 * height * width:
        raise ValueError(f"rle: {count} values, expected 4 x {width} x {height}")
    lengths = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    place = 0
    while place < count:
        run = bits.read(1)
        end = place + bits.read(lengths[bits.read(2)]) + 1
        if end > count:
            raise ValueError("rle: it has more values than it says")
        if run:
            values[place:end] = bits.read(size) & 255
        else:
            values[place:end] = [bits.read(size) & 255 for _ in range(end - place)]
        place = end
    return values.reshape(height, width, 4)[:, :, 3] > 0
