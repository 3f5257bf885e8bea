"""Read one PNG per instance, as in the 2018 Data Science Bowl.

The files are ID/images/ID.png and ID/masks/*.png.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import check_mask_size, image_size, read_label_map
from condinst.dataset_converters.outlines import mask_rle, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes

__all__ = ["find_mask_files", "read_mask_files"]

ONE_CLASS = "object"


def find_mask_files(folder: Folder) -> list[str]:
    """Return the folders, relative to the root, with one image in ``images`` and a ``masks``."""
    masks = _by_parent(folder, "masks")
    return [
        i for i, images in _by_parent(folder, "images").items() if i in masks and len(images) == 1
    ]


def _by_parent(folder: Folder, name: str) -> dict[str, list[str]]:
    """Return folder -> the images in its subfolder ``name``; the root is left out."""
    found: dict[str, list[str]] = {}
    for image in folder.images:
        parent, _, last = os.path.dirname(image).rpartition("/")
        if last == name and parent:
            found.setdefault(parent, []).append(image)
    return found


def read_mask_files(folder: Folder, notes: Notes) -> AnnotationSource:
    """Read each mask file as one instance, of one or more connected pieces.

    Raises:
        ValueError: a mask cannot be read, or its size is not the image's.
    """
    notes.say(f"Each mask file is one instance; all are of one class, {ONE_CLASS!r}.")
    return AnnotationSource("masks", _read_all(folder, notes), {ONE_CLASS: ONE_CLASS})


def _read_all(folder: Folder, notes: Notes) -> Iterator[ImageRecord]:
    images, masks = _by_parent(folder, "images"), _by_parent(folder, "masks")
    for parent, found in images.items():
        if len(found) > 1:
            raise ValueError(
                f"{folder.root / parent}/images: expected one image, found {len(found)}"
            )
        name = found[0]
        if parent not in masks and not (folder.root / parent / "masks").is_dir():
            notes.count("Images without a folder of masks, left out", name)
            continue
        path = folder.root / name
        size = image_size(path)
        objects = []
        for number, file in enumerate(masks.get(parent, ())):
            mask = read_label_map(folder.root / file, within=size)
            if number == 0 and mask.shape == size[::-1]:  # drawn without the EXIF orientation
                size = image_size(path, mask.shape)
            check_mask_size(folder.root / file, mask, path, size)
            instance = rle_object(ONE_CLASS, mask_rle(mask))
            if instance is None:
                notes.count("Empty masks, left out", file)
            else:
                objects.append(instance)
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(path, *size, objects, stated_split(parent))
    for parent in masks:
        if parent not in images:
            notes.count("Folders of masks without an image, left out", parent)
