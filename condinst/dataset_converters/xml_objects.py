"""Read one xml per image: Pascal VOC's boxes, as LabelImg writes them, or LabelMe's outlines.

LabelMe's outlines are polygons, or masks in files of their own (``segm``), which CVAT exports too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from condinst.dataset_converters.folder import Folder, read_text, stated_split
from condinst.dataset_converters.image_sizes import check_mask_size, image_size, read_label_map
from condinst.dataset_converters.named_images import missing_image
from condinst.dataset_converters.outlines import (
    box_object,
    check_label,
    check_pixels,
    mask_rle,
    polygon_object,
    rle_object,
)
from condinst.dataset_converters.pascal import find_pascal
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes
from condinst.dataset_converters.xml_boxes import first_pixel
from condinst.dataset_converters.xml_files import child_text, number, read_xml, xml_root_name
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_xml_objects", "read_xml_objects"]

_DIFFICULT = "Objects marked as difficult, which are neither learned nor counted as errors"


def find_xml_objects(folder: Folder) -> list[str]:
    """Return the xml files of single images; none where VOC's masks are there."""
    if find_pascal(folder):
        return []
    return [f for f in folder.with_suffix(".xml") if xml_root_name(folder.root / f) == "annotation"]


def read_xml_objects(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read xml files; boxes stay boxes, and objects marked as difficult become crowds.

    Raises:
        ValueError: a file is broken, or its size is not the image's.
    """
    first = first_pixel([folder.root / file for file in files], notes)
    return AnnotationSource("xml", _read_all(folder, files, first, notes), None)


def _lists(folder: Folder, notes: Notes) -> dict[str, str]:
    """Return stem -> split of VOC's lists in ImageSets/Main."""
    found: dict[str, str] = {}
    for file in folder.with_suffix(".txt"):
        split = {"train": "train", "val": "val", "test": "test"}.get(Path(file).stem)
        if split is None or os.path.dirname(file).split("/")[-2:] != ["ImageSets", "Main"]:
            continue
        for line in read_text(folder.root / file).splitlines():
            words = line.split()
            if words and found.setdefault(words[0], split) != split:
                notes.count(f"Names in two lists, taken for {found[words[0]]}", words[0])
    return found


def _read_all(folder: Folder, files: list[str], first: int, notes: Notes) -> Iterator[ImageRecord]:
    used: set[str] = set()
    masks: set[str] = set()
    lists = _lists(folder, notes)
    for file in files:
        path = folder.root / file
        root = read_xml(path)
        name = _image(folder, file, root)
        if name is None:
            stated = child_text(root, "filename")
            if why := missing_image(folder, stated):
                raise ValueError(f"{path}: {why}")
            notes.count("xml files whose image is missing, left out", file)
            continue
        if name in used:
            raise ValueError(f"{path}: a second xml file for the image {name}")
        used.add(name)
        height, width = image_size(folder.root / name, _stated_size(path, root))
        drawn = _mask_files(folder, file, root)
        masks.update(drawn.values())
        paths = {text: folder.root / mask for text, mask in drawn.items()}
        image = folder.root / name
        found = _objects(path, root, image, (height, width), first, paths, notes)
        objects = list(found)
        if not any(not each["iscrowd"] for each in objects):
            notes.count("Images without objects, kept as negatives", name)
        stem = os.path.splitext(os.path.basename(name))[0]
        split = lists.get(stem) if lists else stated_split(os.path.dirname(name))
        yield ImageRecord(image, height, width, objects, split)
    used |= masks
    for name in folder.images:
        if name not in used:
            notes.count("Images without an xml file, left out", name)


def _image(folder: Folder, file: str, root: Element) -> str | None:
    """Return the image beside the xml or in a sister folder with its name, or the one it names."""
    place, base = os.path.split(os.path.splitext(file)[0])
    if found := folder.by_stem.get(f"{place}/{base}" if place else base):
        return found
    stated = child_text(root, "filename")
    inner = child_text(root, "folder")
    if stated and (found := folder.find_image(f"{inner}/{stated}" if inner else stated, place)):
        return found
    same = folder.images_of_stem(base)
    if len(same) > 1:
        parent = os.path.dirname(place)
        near = [p for p in same if os.path.dirname(os.path.dirname(p)) == parent]
        same = near or same
    return same[0] if len(same) == 1 else None


def _mask_files(folder: Folder, file: str, root: Element) -> dict[str, str]:
    """Return the names of the masks that an xml file gives -> the files in the folder."""
    place = os.path.dirname(file)
    found = {}
    for element in root.iterfind("object/segm/mask"):
        name = (element.text or "").strip()
        mask = folder.find_image(f"Masks/{name}", place) or folder.find_image(name, place)
        if name and mask:
            found[name] = mask
    return found


def _stated_size(path: Path, root: Element) -> tuple[int, int] | None:
    size = root.find("size")
    names = ("height", "width") if size is not None else ("nrows", "ncols")
    size = size if size is not None else root.find("imagesize")
    if size is None:
        return None
    sides = [number(child_text(size, key) or "0", f"{path}: {key}") for key in names]
    if min(sides) <= 0 or max(sides) > 1 << 20:  # some programs write 0
        return None
    return int(sides[0]), int(sides[1])


def _objects(
    path: Path,
    root: Element,
    image: Path,
    size: tuple[int, int],
    first: int,
    masks: dict[str, Path],
    notes: Notes,
) -> Iterator[dict[str, Any]]:
    height, width = size
    for place, entry in enumerate(root.findall("object")):
        where = f"{path}: object {place}"
        label = child_text(entry, "name")
        if child_text(entry, "deleted") == "1":
            continue
        if not label or not check_label(label):
            raise ValueError(f"{where}: name: expected a class, got {short_repr(label)}")
        box, polygon = entry.find("bndbox"), entry.find("polygon")
        mask = child_text(entry, "segm/mask")
        if polygon is not None:
            points = [
                [number(child_text(point, axis), f"{where}: {axis}") for axis in ("x", "y")]
                for point in polygon.findall("pt")
            ]
            if not points and len(polygon):  # Roboflow's: x1, y1, x2, y2, ...
                values = {c.tag: number(c.text, f"{where}: {c.tag}") for c in polygon}
                count = len(values) // 2
                try:
                    points = [[values[f"x{i}"], values[f"y{i}"]] for i in range(1, count + 1)]
                except KeyError as error:
                    raise ValueError(f"{where}: polygon: expected {error.args[0]}") from None
            found = (
                polygon_object(label, [_pixels(points, where)], height, width)
                if len(points) > 2
                else None
            )
        elif box is not None:
            corners = [
                number(child_text(box, key), f"{where}: {key}")
                for key in ("xmin", "ymin", "xmax", "ymax")
            ]
            x1, y1, x2, y2 = _pixels(corners, where).tolist()
            found = box_object(label, x1 - first, y1 - first, x2, y2, height, width)
        elif mask in masks:
            labels = read_label_map(masks[mask], within=size)
            check_mask_size(masks[mask], labels, image, size)
            found = rle_object(label, mask_rle(labels))
        else:
            what = "whose mask file is missing" if mask else "with neither box nor outline"
            notes.count(f"Objects {what}, left out", where)
            continue
        if found is None:
            notes.count("Objects that cover no pixel, left out", where)
            continue
        if child_text(entry, "difficult") == "1":
            found["iscrowd"] = 1
            notes.count(_DIFFICULT, where)
        yield found


def _pixels(values: Any, where: str) -> np.ndarray:
    try:
        return check_pixels(values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
