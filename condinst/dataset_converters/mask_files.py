"""One PNG per instance, as in the 2018 Data Science Bowl: ID/images/ID.png and ID/masks/*.png."""

from __future__ import annotations

import os
from collections.abc import Iterator

from condinst.dataset_converters.folder import Folder, stated_part
from condinst.dataset_converters.image_sizes import check_mask_size, image_size, read_label_map
from condinst.dataset_converters.outlines import mask_code, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes

__all__ = ["find_mask_files", "read_mask_files"]

ONE_CLASS = "object"


def find_mask_files(folder: Folder) -> list[str]:
    """The folders, relative to the root, with one image in ``images`` and its ``masks``."""
    masks = _by_parent(folder, "masks")
    return [
        i for i, images in _by_parent(folder, "images").items() if i in masks and len(images) == 1
    ]


def _by_parent(folder: Folder, name: str) -> dict[str, list[str]]:
    """Folder -> the images in its folder ``name``; the root itself is not one of them."""
    found: dict[str, list[str]] = {}
    for image in folder.images:
        parent, _, last = os.path.dirname(image).rpartition("/")
        if last == name and parent:
            found.setdefault(parent, []).append(image)
    return found


def read_mask_files(folder: Folder, notes: Notes) -> AnnotationSource:
    """A mask's file is one instance, in however many pieces.

    Raises:
        ValueError: a mask is not readable, or of another size than its image.
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
            if number == 0 and mask.shape == size[::-1]:  # the masks were made on the unturned one
                size = image_size(path, mask.shape)
            check_mask_size(folder.root / file, mask, path, size)
            instance = rle_object(ONE_CLASS, mask_code(mask))
            if instance is None:
                notes.count("Empty masks, left out", file)
            else:
                objects.append(instance)
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(path, *size, objects, stated_part(parent))
    for parent in masks:
        if parent not in images:
            notes.count("Folders of masks without an image, left out", parent)
