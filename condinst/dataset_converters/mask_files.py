"""Read one mask file per instance.

The files are ID/images/ID.png and ID/masks/*.png as in the 2018 Data Science Bowl,
masks/NAME_CLASS_N.png as pycococreator reads them, or masks/NAME/N.png.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import check_mask_size, image_size, read_label_map
from condinst.dataset_converters.label_maps import count_unpaired
from condinst.dataset_converters.mask_inversion import (
    MOST_INVERTED,
    inversion_warning,
    may_be_inverted,
    seems_inverted,
)
from condinst.dataset_converters.mask_pairs import MaskPairs
from condinst.dataset_converters.mask_statistics import cut_at_half, is_soft
from condinst.dataset_converters.object_files import ObjectFile
from condinst.dataset_converters.open_images import with_stated_labels
from condinst.dataset_converters.outlines import label_map_rles, mask_rle, rle_object
from condinst.dataset_converters.records import ONE_CLASS, AnnotationSource, ImageRecord, Notes

__all__ = ["find_bowl", "read_bowl", "read_mask_files"]


def find_bowl(folder: Folder) -> list[str]:
    """Return the folders, relative to the root, with one image in ``images`` and a ``masks``."""
    masks = _by_parent(folder, "masks")
    shared = {parent: found for parent, found in _by_parent(folder, "images").items() if parent}
    single = [
        parent
        for parent, found in shared.items()
        if parent in masks and len(found) == 1 and not _is_map(found[0], masks[parent])
    ]
    return single if 2 * len(single) > sum(parent in masks for parent in shared) else []


def _is_map(image: str, masks: list[str]) -> bool:
    """Tell whether a folder's only mask has the name of its image, so that it is a label map."""
    stem = os.path.splitext(os.path.basename(image))[0]
    return len(masks) == 1 and os.path.splitext(os.path.basename(masks[0]))[0] == stem


def _by_parent(folder: Folder, name: str) -> dict[str, list[str]]:
    """Return folder -> the images in its subfolder ``name``; the root is left out."""
    found: dict[str, list[str]] = {}
    for image in folder.images:
        parent, _, last = os.path.dirname(image).rpartition("/")
        if last == name and parent:
            found.setdefault(parent, []).append(image)
    return found


def read_bowl(folder: Folder, asked: str | None, notes: Notes) -> AnnotationSource:
    """Read the folders ID/images and ID/masks, each mask file as one instance.

    Raises:
        ValueError: a mask cannot be read, or its size is not the image's.
    """
    images, masks = _by_parent(folder, "images"), _by_parent(folder, "masks")
    files = {}
    for parent, found in images.items():
        if len(found) > 1:
            raise ValueError(
                f"{folder.root / parent}/images: expected one image, found {len(found)}"
            )
        if parent not in masks and not (folder.root / parent / "masks").is_dir():
            notes.count("Images without a folder of masks, left out", found[0])
            continue
        files[found[0]] = [ObjectFile(file, None, True) for file in masks.get(parent, ())]
    for parent in masks:
        if parent not in images:
            notes.miss("Folders of masks without an image, left out", parent)
    return _source(folder, files, asked, notes)


def read_mask_files(
    folder: Folder, found: MaskPairs, asked: str | None, notes: Notes
) -> AnnotationSource:
    """Read one object a file, with the class that the file's name states.

    Raises:
        ValueError: a mask cannot be read, its size is not the image's, or it holds several values.
    """
    count_unpaired(folder, found, notes)
    return _source(folder, found.files, asked, notes)


def _source(
    folder: Folder, files: dict[str, list[ObjectFile]], asked: str | None, notes: Notes
) -> AnnotationSource:
    labeled = with_stated_labels(folder, files, notes)
    stated, files = labeled is not files, labeled
    every = [file for found in files.values() for file in found]
    named = Counter(file.label for file in every if file.label is not None)
    if not stated and len(named) > max(20, len(every) // 2):  # not classes: names of their own
        named = Counter()
    pieces = asked in ("binary", "classes")
    what = "Each connected piece in a mask file" if pieces else "Each mask file"
    if named:
        whose = "" if stated else "; its class is the one in the file's name"
        notes.say(f"{what} is one instance{whose}.")
        other = len(every) - sum(named.values())
        if other:
            notes.say(f"{other} mask files name no class: theirs is {ONE_CLASS!r}.")
        names = [*sorted(named), *([ONE_CLASS] if other and ONE_CLASS not in named else [])]
    else:
        notes.say(f"{what} is one instance; all are of one class, {ONE_CLASS!r}.")
        names = [ONE_CLASS]
    images = _read_all(folder, files, bool(named), asked, notes)
    return AnnotationSource("masks", images, {name: name for name in names})


def _read_all(
    folder: Folder,
    files: dict[str, list[ObjectFile]],
    named: bool,
    asked: str | None,
    notes: Notes,
) -> Iterator[ImageRecord]:
    inverted, doubtful, mixed = [], 0, 0
    for name, masks in files.items():
        path = folder.root / name
        size = image_size(path)
        objects = []
        for number, file in enumerate(masks):
            labels = read_label_map(folder.root / file.path, within=size)
            if number == 0 and labels.shape == size[::-1]:  # drawn without the EXIF orientation
                size = image_size(path, labels.shape)
            check_mask_size(folder.root / file.path, labels, path, size)
            mask = _mask(labels, folder.root / file.path, file, asked, notes)
            if mask.any() and not mask.all():
                mixed += 1
                doubtful += may_be_inverted(mask)
                if seems_inverted(mask):
                    inverted.append(file.path)
            label = file.label if named and file.label is not None else ONE_CLASS
            found = [rle_object(label, rle) for rle in _instances(mask, file, folder, asked)]
            if not any(found):
                notes.count("Empty masks, left out", file.path)
            objects += [instance for instance in found if instance is not None]
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(path, *size, objects, stated_split(os.path.dirname(name)))

    if asked is None and len(inverted) > MOST_INVERTED * mixed:
        raise ValueError(
            f"{folder.root}: {len(inverted)} mask files, such as {inverted[0]}, cover most pixels, "
            "most of the border, and surround the rest: they look inverted. Write 0 for the "
            "background, or, if they are right, use --masks instances"
        )
    if asked is None and (warning := inversion_warning(doubtful, mixed)):
        notes.say(warning)


def _mask(
    labels: np.ndarray, path: Path, file: ObjectFile, asked: str | None, notes: Notes
) -> np.ndarray:
    """Return the (H, W) bool mask of a file that should have one value besides 0."""
    values = np.unique(labels[labels != 0])
    if len(values) <= 1:
        return labels != 0
    top = int(values[-1])
    jpeg = path.suffix.lower() in (".jpg", ".jpeg", ".jfif", ".jpe")
    if jpeg and top < 64:
        return np.zeros(labels.shape, bool)
    if 64 <= top <= 255 and (asked == "binary" or is_soft(labels, top)):
        kind = "JPEG files, which are not exact" if jpeg else "Masks with soft edges"
        notes.count(f"{kind}, cut at half of their largest value", file.path)
        return cut_at_half(labels, top)
    if asked == "binary":
        return labels != 0
    raise ValueError(
        f"mask file {path}: expected one object, with one value besides 0, found {len(values)} "
        f"values: {', '.join(map(str, values[:6].tolist()))}; if any value is the object, use "
        "--masks binary"
    )


def _instances(
    mask: np.ndarray, file: ObjectFile, folder: Folder, asked: str | None
) -> Iterator[dict]:
    """Yield the RLE of the file's object, or of each connected piece if the user says so."""
    if asked == "instances" or (asked is None and file.numbered):
        yield mask_rle(mask)
        return
    import cv2

    number, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    if asked is None and number > 2:
        raise ValueError(
            f"mask file {folder.root / file.path}: {number - 1} separate pieces, and the name has "
            "no number of an object: if the file is one object, use --masks instances; if each "
            "piece is one, use --masks classes"
        )
    yield from label_map_rles(pieces.astype(np.int64)).values()
