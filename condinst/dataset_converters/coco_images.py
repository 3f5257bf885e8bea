"""Find the images of a COCO json: file names may lack folders, or be those of another machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.named_images import missing_image
from condinst.datasets.coco.entry_issues import first_few

__all__ = ["check_missing", "check_names", "image_folder", "leave_to_others", "locate_images"]


def check_names(folder: Folder, path: Path, names: Sequence[str]) -> None:
    """Refuse a file name that several images of a json have."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not twice:
        return
    there = folder.images_called(twice[0])
    found = f"; files of that name: {first_few(there, 4)}" if len(there) > 1 else ""
    raise ValueError(
        f"{path}: {len(twice)} file names are those of several images: {first_few(twice, 4)}"
        f"{found}. Expected one image for each file: write the folder into file_name if the files "
        f"differ; if they are one, run condinst doctor --data {path} --fix fixed"
    )


def check_missing(folder: Folder, path: Path, missing: Sequence[str]) -> None:
    """Refuse names of missing images where a file is there that the name may mean."""
    found = [(name, why) for name in missing if (why := missing_image(folder, name))]
    if found:
        more = f" ({len(found)} such images)" if len(found) > 1 else ""
        raise ValueError(f"{path}: {found[0][1]}{more}")


def locate_images(
    folder: Folder, file: str, names: Sequence[str]
) -> tuple[list[str | None], set[int]]:
    """Find the images of one json.

    Returns:
        The path of each image, relative to the folder; None if missing. The places in this list of
        the images that lie elsewhere than most, or with only a part of the others in the folder of
        another split: they were found by their names alone.

    Raises:
        ValueError: several folders hold the images, and nothing says which is meant.
    """
    split, beside = stated_split(file), os.path.dirname(file)
    prefixes = {
        path[: len(path) - len(name)]
        for name in list(names)[:20]
        for path in folder.by_name.get(os.path.basename(name), [])
        if path == name or path.endswith("/" + name)
    }

    def hits(prefix: str) -> tuple:
        number = sum(prefix + name in folder.image_set for name in names)
        near = len(os.path.commonprefix([prefix.split("/")[:-1], beside.split("/")]))
        of = stated_split(prefix)
        foreign = None not in (of, split) and of != split and number < len(names)
        return (foreign, -number, of != split, prefix.rstrip("/") != beside, -near, prefix)

    ranked = sorted(prefixes, key=hits)
    prefix = ranked[0] if ranked else ""
    places = [hits(other)[1:5] for other in ranked[:2]]
    guessed = len(ranked) > 1 and places[0][1:] == places[1][1:]
    if guessed and (places[0] == places[1] or _share_names(folder, prefix, names)):
        raise ValueError(
            f"{folder.root / file}: its images may be those of {ranked[0] or '.'} or of "
            f"{ranked[1] or '.'}: write the folder into file_name, or keep the json beside its "
            f"images (such as {first_few(names, 2)})"
        )
    found: list[str | None] = []
    elsewhere = set()
    foreign = hits(prefix)[0]
    for index, name in enumerate(names):
        exact = prefix + name in folder.image_set
        found.append(prefix + name if exact else folder.find_image(name, beside))
        if not exact or foreign:
            elsewhere.add(index)
    return found, elsewhere


def leave_to_others(
    located: Sequence[tuple[list[str | None], set[int]]], splits: Sequence[str]
) -> list[set[int]]:
    """Count an image as missing whose only file of that name is another image.

    Where each split numbers its images from 0, the file of that name in the other split's folder is
    another image.

    Args:
        located: what :func:`locate_images` found for each json; changed.
        splits: the split of each json.

    Returns:
        For each json, the places of these images.
    """
    owners: dict[str | None, list[int]] = {}
    for number, (places, elsewhere) in enumerate(located):
        for index in range(len(places)):
            if index not in elsewhere:
                owners.setdefault(places[index], []).append(number)
    left = []
    for number, (places, elsewhere) in enumerate(located):
        others = {
            index
            for index in elsewhere
            for owner in owners.get(places[index], ())
            if owner == number or splits[owner] != splits[number]
        }
        left.append(others)
        for index in others:
            places[index] = None
    return left


def _share_names(folder: Folder, prefix: str, names: Sequence[str]) -> bool:
    """Tell whether a folder lacks some of the images, and others of its images are not unique."""
    if all(prefix + name in folder.image_set for name in names):
        return False
    return any(
        sum(path == name or path.endswith("/" + name) for path in folder.images_called(name)) > 1
        for name in names
    )


def image_folder(places: Sequence[str | None], names: Sequence[str]) -> tuple[str, bool]:
    """Return the folder that the file names start from, and whether all of them do.

    The folder is relative to the root. If the names have no common start, the folder is the
    smallest one that holds all images.
    """
    prefixes = {
        place[: len(place) - len(name)] if place and place.endswith(name) else None
        for place, name in zip(places, names, strict=True)
    }
    prefix = prefixes.pop()
    if not prefixes and prefix is not None and (not prefix or prefix.endswith("/")):
        return prefix.rstrip("/"), True
    parents = {os.path.dirname(place) for place in places if place is not None}
    return os.path.commonpath([f"/{parent}" for parent in parents])[1:], False
