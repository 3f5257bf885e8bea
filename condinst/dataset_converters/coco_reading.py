"""Read the COCO files of a dataset's splits and find their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from condinst.dataset_converters.coco_images import (
    check_missing,
    check_names,
    leave_to_others,
    locate_images,
)
from condinst.dataset_converters.coco_meaning import check_content
from condinst.dataset_converters.coco_parts import CocoPart, CocoSplit, check_found, check_joined
from condinst.dataset_converters.coco_sizes import find_sizes
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.records import Notes
from condinst.dataset_converters.split import Sample
from condinst.datasets.coco.coco_file import read_coco_file
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.file_cache import keep_file, mark_of

__all__ = ["read_splits"]


def read_splits(
    folder: Folder, by_split: Mapping[str, Sequence[str]], notes: Notes
) -> dict[str, CocoSplit]:
    """Read the files of all splits.

    Args:
        folder: the dataset's folder.
        by_split: split -> annotation files, relative to the folder; "" without splits.
        notes: receives what is missing, fixed or left out.

    Raises:
        ValueError: a file is broken, has no images, or fits none of the images.
    """
    read = _locate(folder, by_split, notes)
    return {name: _read(folder, found, name, notes, read) for name, found in by_split.items()}


@dataclass
class _Located:
    """A file's records and the places of its N images.

    Attributes:
        data: the records.
        mark: of the file, before it was read.
        places: N paths relative to the dataset's folder; None for a missing image.
        left: the places in this list of the missing images whose name another image has.
    """

    data: CocoFile
    mark: tuple[int, int]
    places: list[str | None]
    left: set[int] = field(default_factory=set)


def _locate(
    folder: Folder, by_split: Mapping[str, Sequence[str]], notes: Notes
) -> dict[str, _Located]:
    """Read all files and find their images; files without images are left out."""
    read, located, splits = {}, [], []
    for name, files in by_split.items():
        for file in files:
            path = folder.root / file
            mark = mark_of(str(path))
            data = read_coco_file(str(path), keep_extras=True)
            if not data.file_names:
                notes.count("COCO files without images, left out", file)
                continue
            check_names(folder, path, data.file_names)
            located.append(locate_images(folder, file, data.file_names))
            splits.append(name)
            read[file] = _Located(data, mark, located[-1][0])
    for found, left in zip(read.values(), leave_to_others(located, splits), strict=True):
        found.left = left
    return read


def _read(
    folder: Folder, files: Sequence[str], name: str, notes: Notes, read: Mapping[str, _Located]
) -> CocoSplit:
    found = [
        _read_part(folder, file, notes, read[file], len(files) > 1)
        for file in files
        if file in read
    ]
    if not found:
        raise ValueError(
            f"{folder.root / files[0]}: expected images under the key images, found none"
        )
    check_found(found, folder)
    if len(found) > 1:
        check_joined(folder.root, found)
        notes.say(
            f"{len(found)} COCO files{f' of {name}' if name else ''} are joined, from {files[0]} "
            f"to {files[-1]}: categories by their names; images and annotations get new ids."
        )
    return CocoSplit(name, folder.root, found)


def _read_part(folder: Folder, file: str, notes: Notes, read: _Located, joined: bool) -> CocoPart:
    """Check a file and its images; note what is missing."""
    path, data, places = folder.root / file, read.data, read.places
    images = [None if place is None else folder.root / place for place in places]
    sizes = find_sizes(path, data, images, notes)
    if sizes:
        data = read_coco_file(str(path), keep_extras=True, sizes=sizes)
    elif not joined:
        keep_file(data, read.mark)
    for problem in [*data.problems, *data.fixes]:
        if joined:
            notes.count("Issues of joined files", f"{file}: {problem}")
        else:
            notes.say(f"{path}: {problem}.")
    check_content(path, data)
    missing = [i for i, place in enumerate(places) if place is None]
    names = data.file_names
    check_missing(folder, path, [names[i] for i in missing if i not in read.left])
    whose = folder.root if joined else path
    for index in missing:
        notes.count(f"Images that {whose} names and that are missing, left out", names[index])
    labels: list[set[str]] = [set() for _ in places]
    known = (data.image_index >= 0) & (data.category_index >= 0) & ~data.crowd
    for image, category in zip(
        data.image_index[known].tolist(), data.category_index[known].tolist(), strict=True
    ):
        labels[image].add(str(data.categories[category][1]))
    samples = [
        None if p is None else Sample(p, folder.root / p, frozenset(label))
        for p, label in zip(places, labels, strict=True)
    ]
    return CocoPart(path, data, places, samples, bool(sizes))
