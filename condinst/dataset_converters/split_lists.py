"""Read the lists of splits that lie beside a dataset: train.txt and val.txt with names of images.

A line names an image by its path or the end of it, with or without the suffix, or a folder of
images, such as the frames of a video.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from condinst.dataset_converters.folder import Folder, read_text, stated_split
from condinst.dataset_converters.records import Notes

__all__ = ["listed_splits"]

_LARGEST = 1 << 26  # bytes
_NAMED = 0.9  # of the lines of a list
_Index = dict[str, list[int]]


def listed_splits(folder: Folder, names: Sequence[str], notes: Notes) -> list[str | None] | None:
    """Return the split of each image by the lists of the folder; None without usable lists.

    Args:
        folder: the dataset's folder.
        names: the images, as paths relative to the folder.
        notes: receives which lists are used, or why a list is not.

    Raises:
        ValueError: a list is no text.
    """
    files = [(file, stated_split(os.path.basename(file))) for file in folder.with_suffix(".txt")]
    files = [(file, split) for file, split in files if split is not None]
    if not files or not names:
        return None
    index = _index(names)
    found: list[str | None] = [None] * len(names)
    used, both = [], set[str]()
    for file, split in files:
        chosen = _chosen(folder, file, index)
        if chosen is None:
            if os.path.splitext(os.path.basename(file))[0].lower() in _PLAIN:
                notes.say(
                    f"{file} has the name of a list of a split and is not used: its lines do not "
                    "name images, or folders of images, of which each is found once."
                )
            continue
        used.append(file)
        for place in chosen:
            if found[place] not in (None, split):
                both.add(names[place])
            found[place] = split
    if not used:
        return None
    listed = ", ".join(used[:6]) + (", ..." if len(used) > 6 else "")
    if both:
        notes.say(
            f"The lists {listed} put {len(both)} images, such as {min(both)}, into several splits: "
            "they are not used; leave one list for each split."
        )
        return None
    if set(found) == {"train"}:  # such as CVAT's list of all images
        return None
    if set(found) <= {None, "test"}:
        notes.say(f"{listed} name no images for training and are not used.")
        return None
    counts = ", ".join(
        f"{found.count(split)} {split}" for split in ("train", "val", "test") if split in found
    )
    notes.say(f"The splits are those of {listed}: {counts}.")
    for place, split in enumerate(found):
        if split is None:
            notes.count("Images that no list of a split names, left out", names[place])
    return found


_PLAIN = ("train", "training", "val", "valid", "validation", "test", "testing")


def _index(names: Sequence[str]) -> _Index:
    """Return each end of a path, without suffix, of an image or its folder -> the images."""
    index: _Index = {}
    folders: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        for end in _ends(os.path.splitext(name)[0]):
            index.setdefault(end, []).append(place)
        folders.setdefault(os.path.dirname(name), []).append(place)
    # an end that several images or folders have names none of them
    index = {end: places for end, places in index.items() if len(places) == 1}
    by_end: dict[str, list[str]] = {}
    for path in folders:
        for end in _ends(path) if path else ():
            by_end.setdefault(end, []).append(path)
    for end, paths in by_end.items():
        if len(paths) == 1:
            index.setdefault(end, folders[paths[0]])
    return index


def _ends(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _chosen(folder: Folder, file: str, index: _Index) -> set[int] | None:
    """Return the images that a list names; None if it is not a list of images."""
    path = folder.root / file
    if os.path.getsize(path) > _LARGEST:
        return None
    try:
        lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except ValueError:  # not a text
        return None
    chosen, named = set[int](), 0
    for line in lines:
        places = _find(line, index)
        if places is None and len(line.split()) > 1:  # VOC's NAME 1, DAVIS' IMAGE MASK
            places = _find(line.split()[0], index)
        named += places is not None
        chosen.update(places or ())
    return chosen if lines and named >= _NAMED * len(lines) else None


def _find(entry: str, index: _Index) -> list[int] | None:
    """Return the images of an entry, which may begin with folders that the dataset lacks."""
    entry = os.path.normpath(entry.replace("\\", "/")).lstrip("/")
    for path in (os.path.splitext(entry)[0], entry):
        for end in _ends(path):
            if end in index:
                return index[end]
    return None
