"""Read a folder of images and a folder of masks: one label map per image, 0 for background."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import check_mask_size, image_size, read_label_map
from condinst.dataset_converters.outlines import label_map_rles, rle_object
from condinst.dataset_converters.records import AnnotationSource, ImageRecord, Notes

__all__ = ["find_label_maps", "mask_and_size", "read_label_maps"]

ONE_CLASS = "object"
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "instances", "instance_masks", "gt")
_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "pictures", "raw")
_MASK_ENDINGS = re.compile(r"_(masks?|labels?|instances?|gt|cp_masks)$")  # cell.png, cell_mask.png
_MANY_PIECES = 3  # pieces of one value; instances seldom have as many


def find_label_maps(folder: Folder) -> list[tuple[str, str]]:
    """Return (image, mask) pairs, relative to the root, in the order of the images' paths."""
    return _pairs(folder)[0]


def _pairs(folder: Folder) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Return the pairs, the images without a mask, and the masks without an image."""
    images, masks = _keyed(folder, _IMAGE_FOLDERS), _keyed(folder, _MASK_FOLDERS)
    by_stem = {(place, _MASK_ENDINGS.sub("", stem)): file for (place, stem), file in masks.items()}
    by_stem |= masks
    places = {place for place, _ in images} & {place for place, _ in masks}
    pairs, alone = [], []
    for key, image in images.items():
        if key[0] in places:
            mask = by_stem.get(key)
            if mask is None:
                alone.append(image)
            else:
                pairs.append((image, mask))
    used = {mask for _, mask in pairs}
    return pairs, alone, [mask for mask in masks.values() if mask not in used] if pairs else []


def _keyed(folder: Folder, names: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return (path of the folder with ``*`` for the matching name, stem) -> image."""
    found = {}
    for image in folder.images:
        parts = os.path.dirname(image).split("/")
        for index in reversed(range(len(parts))):
            if parts[index].lower() in names:
                place = "/".join([*parts[:index], "*", *parts[index + 1 :]])
                found[place, os.path.splitext(os.path.basename(image))[0]] = image
                break
    return found


def read_label_maps(folder: Folder, notes: Notes) -> AnnotationSource:
    """Read each value of a mask as an instance.

    Where no mask has two values besides 0, each connected piece is an instance.

    Raises:
        ValueError: a mask cannot be read, or its size is not the image's.
    """
    pairs, alone, lonely = _pairs(folder)
    for name in alone:
        notes.count("Images without a mask, left out", name)
    for name in lonely:
        notes.count("Masks without an image, left out", name)
    binary = _are_binary(folder, pairs)
    if binary:
        notes.say(
            "No mask has more than one value besides 0: each connected piece (by edge or corner) "
            f"is one instance, so instances that touch are joined; the only class is {ONE_CLASS!r}."
        )
    else:
        notes.say(f"Each value in a mask is one instance; the only class is {ONE_CLASS!r}.")
    return AnnotationSource(
        "masks", _read_all(folder, pairs, binary, notes), {ONE_CLASS: ONE_CLASS}
    )


def _are_binary(folder: Folder, pairs: Sequence[tuple[str, str]]) -> bool:
    """Tell whether all masks share one value besides 0; stops at the first that does not."""
    values: set[int] = set()
    for image, mask in pairs:
        size = image_size(folder.root / image)
        values.update(np.unique(read_label_map(folder.root / mask, within=size)).tolist())
        if len(values - {0}) > 1:
            return False
    return True


def _read_all(
    folder: Folder, pairs: Sequence[tuple[str, str]], binary: bool, notes: Notes
) -> Iterator[ImageRecord]:
    import cv2

    pieces: Counter[str] = Counter()
    for name, mask in pairs:
        labels, (height, width) = mask_and_size(folder.root / mask, folder.root / name)
        number, connected = cv2.connectedComponents((labels != 0).astype(np.uint8))
        rles = label_map_rles(connected.astype(np.int64) if binary else labels)
        pieces.update(values=len(rles), connected=number - 1)
        found = [rle_object(ONE_CLASS, rle) for rle in rles.values()]
        objects = [instance for instance in found if instance is not None]
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(
            folder.root / name, height, width, objects, stated_split(os.path.dirname(name))
        )
    if pieces["connected"] > _MANY_PIECES * pieces["values"]:
        notes.say(
            f"The {pieces['values']} instances lie in {pieces['connected']} pieces: if the values "
            "are classes instead of instances, these masks cannot be used as they are."
        )


def mask_and_size(mask: Path, image: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the (H, W) label map and its image's height and width.

    The size is the one as stored if the mask was drawn without the EXIF orientation.
    """
    size = image_size(image)
    labels = read_label_map(mask, within=size)
    if labels.shape == size[::-1] != size:
        size = image_size(image, labels.shape)
    check_mask_size(mask, labels, image, size)
    return labels, size
