"""Read COCO's panoptic format: a json of segments, and a PNG whose colors are the segments' ids."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.coco import find_coco_files
from condinst.dataset_converters.folder import Folder, read_json, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import NamedImages
from condinst.dataset_converters.outlines import check_label, label_map_rles, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Label, Notes
from condinst.datasets.coco.entry_issues import short_repr
from condinst.images.limit import open_image
from condinst.utils.files import check_regular

__all__ = ["find_panoptic", "read_panoptic"]


def find_panoptic(folder: Folder) -> list[str]:
    """Return the panoptic files, relative to the folder; none where COCO's instances are there."""
    return [] if find_coco_files(folder) else folder.json_kinds.get("panoptic", [])


def read_panoptic(folder: Folder, files: list[str], notes: Notes) -> AnnotationSource:
    """Read the segments of things; stuff is left out.

    Raises:
        ValueError: a file is broken, or sizes differ.
    """
    loaded = {file: _load(folder.root / file) for file in files}
    names: dict[Label, str] = {}
    stuff: dict[Label, str] = {}
    for file, data in loaded.items():
        for entry in data["categories"]:
            key, name = entry.get("id"), entry.get("name")
            if type(key) is not int or not check_label(name):
                raise ValueError(
                    f"{folder.root / file}: categories: expected id and name, got "
                    f"{short_repr(entry)}"
                )
            kind = names if entry.get("isthing", 1) else stuff
            if kind.setdefault(key, str(name)) != str(name):
                raise ValueError(f"{folder.root / file}: categories: id {key} has two names")
    if stuff:
        listed = ", ".join(list(stuff.values())[:5])
        notes.say(f"{len(stuff)} categories are stuff (isthing 0) and left out: {listed}.")
    return AnnotationSource("panoptic", _read_all(folder, loaded, names, stuff, notes), names)


def _load(path: Path) -> dict[str, Any]:
    data = read_json(path)
    lists = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(
        isinstance(data.get(key), list) and all(isinstance(entry, dict) for entry in data[key])
        for key in lists
    ):
        raise ValueError(f"{path}: not COCO's panoptic layout: expected lists {', '.join(lists)}")
    return data


def _read_all(
    folder: Folder,
    loaded: dict[str, dict[str, Any]],
    names: dict[Label, str],
    stuff: dict[Label, str],
    notes: Notes,
) -> Iterator[ImageRecord]:
    images = NamedImages(_without_masks(folder, loaded), notes)
    for file, data in loaded.items():
        path = folder.root / file
        entries = {entry.get("id"): entry for entry in data["images"] if _key(entry.get("id"))}
        for annotation in data["annotations"]:
            key = annotation.get("image_id")
            entry = entries.get(key) if _key(key) else None
            stated = entry.get("file_name") if entry else None
            if not isinstance(stated, str) or not isinstance(annotation.get("file_name"), str):
                raise ValueError(f"{path}: annotation of image {short_repr(key)}: no such image")
            name = images.find(file, stated, os.path.dirname(file))
            mask = _mask_file(folder, file, annotation["file_name"])
            if name is None:
                continue
            if mask is None:
                raise ValueError(
                    f"{path}: the mask {short_repr(annotation['file_name'])} is missing"
                )
            size = image_size(folder.root / name)
            ids = _ids(folder.root / mask, size)
            objects = list(_objects(annotation, ids, path, names, stuff, notes))
            if not objects:
                notes.count("Images without objects, kept as negatives", name)
            split = stated_split(file) or stated_split(os.path.dirname(name))
            yield ImageRecord(folder.root / name, *size, objects, split)


def _key(value: Any) -> bool:
    return type(value) in (int, str)


def _without_masks(folder: Folder, loaded: dict[str, Any]) -> Folder:
    """Return the folder without the PNGs of masks, which have the names of images."""
    masks = {
        mask
        for file, data in loaded.items()
        for annotation in data["annotations"]
        if isinstance(annotation.get("file_name"), str)
        for mask in [_mask_file(folder, file, annotation["file_name"])]
    }
    return Folder(folder.root, tuple(file for file in folder.files if file not in masks))


def _mask_file(folder: Folder, file: str, name: str) -> str | None:
    """Return the mask: in the folder of the json's name, beside it or anywhere."""
    stem = os.path.splitext(file)[0]
    for place in (stem, os.path.dirname(file)):
        if (found := os.path.normpath(os.path.join(place, name))) in folder.image_set:
            return found
    tail = f"{os.path.basename(stem)}/{name}"
    found_in = [image for image in folder.images if image.endswith("/" + tail) or image == tail]
    return found_in[0] if len(found_in) == 1 else folder.find_image(name)


def _ids(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Return red + 256 * green + 65536 * blue, (H, W), of a mask of the given height and width."""
    try:
        check_regular(path)
        with open_image(path) as image:
            if image.size != size[::-1]:
                raise ValueError(f"{image.width} x {image.height}, its image is of another size")
            red, green, blue = np.moveaxis(np.asarray(image.convert("RGB"), np.int64), 2, 0)
    except Exception as error:  # every image decoder raises its own error types
        raise ValueError(f"mask file {path}: not readable: {error}") from None
    return red + (green << 8) + (blue << 16)


def _objects(
    annotation: dict,
    ids: np.ndarray,
    path: Path,
    names: dict[Label, str],
    stuff: dict[Label, str],
    notes: Notes,
) -> Iterator[dict[str, Any]]:
    rles = label_map_rles(ids)
    segments = annotation.get("segments_info")
    for segment in segments if isinstance(segments, list) else ():
        where = f"{path}: image {annotation['image_id']}"
        if not isinstance(segment, dict) or type(segment.get("id")) is not int:
            raise ValueError(f"{where}: segments_info: expected an id, got {short_repr(segment)}")
        label = segment.get("category_id")
        if type(label) is not int or label not in {**names, **stuff}:
            raise ValueError(f"{where}: no category has the id {short_repr(label)}")
        if label in stuff:
            continue
        rle = rles.get(segment["id"])
        found = rle and rle_object(label, rle, crowd=segment.get("iscrowd") == 1)
        if found:
            yield found
        else:
            notes.count("Segments without a pixel, left out", f"{where}, {segment['id']}")
