"""Tell which image a mask file of one object belongs to, and its class, by the file's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from condinst.dataset_converters.mask_places import Place

__all__ = ["ObjectFile", "object_files", "without_part"]

_OBJECT = re.compile(r"(?:(?P<name>.*?)[_ .-]*)?(?P<number>\d+)$")
_LEADING = re.compile(r"(?P<number>\d+)[_ .-]+(?P<name>.*\D.*)")
_NO_CLASS = {"", "mask", "masks", "object", "obj", "instance", "inst", "label", "gt", "seg", "id"}


@dataclass(frozen=True)
class ObjectFile:
    """A mask file of one object, with the class that its name states."""

    path: str
    label: str | None
    numbered: bool  # the name has a number, so there is one file for each object


def object_files(
    images: list[Place], masks: list[Place]
) -> tuple[dict[str, list[ObjectFile]], list[str], list[str]] | None:
    """Find one object a file: NAME_CLASS_N or NAME/N below a folder of masks.

    Returns:
        Image -> its mask files, the images without any, and the masks without an image; None if
        no mask has an image.
    """
    stems: dict[str, dict[str, str]] = {}  # place -> path inside -> image
    for image in images:
        stems.setdefault(image.place, {})[image.inside] = image.file
    files: dict[str, list[ObjectFile]] = {}
    lonely = []
    for mask in masks:
        known = stems.get(mask.place) or (next(iter(stems.values())) if len(stems) == 1 else {})
        found = _of_image(mask, known)
        if found is None:
            lonely.append(mask.file)
        else:
            files.setdefault(found[0], []).append(found[1])
    if not files:
        return None
    files = _without_leading_numbers(files)
    used = {
        place for place, known in stems.items() if any(file in files for file in known.values())
    }
    alone = [image.file for image in images if image.place in used and image.file not in files]
    return files, alone, lonely


def _of_image(mask: Place, known: dict[str, str]) -> tuple[str, ObjectFile] | None:
    """Return the image of a mask, which lies below the image's name or below its class."""
    for name, rest in _beginnings(mask.inside):
        if name in known:
            return known[name], _object_file(mask.file, rest)
    parts = mask.inside.split("/")
    leaf = parts[-1]
    inner = [
        (without_part(parts, place), parts[place]) for place in reversed(range(len(parts) - 1))
    ]
    inner += [(leaf, parts[-2])] if len(parts) > 1 else []
    for inside, label in inner:
        if inside in known:
            return known[inside], ObjectFile(mask.file, label, False)
    for inside, label in inner:
        for name, rest in _beginnings(inside):
            if name in known:
                found = _object_file(mask.file, rest)
                return known[name], ObjectFile(mask.file, found.label or label, found.numbered)
    return None


def _beginnings(inside: str) -> Iterator[tuple[str, str]]:
    """Yield what may be the image's name and what follows, the longest name first."""
    for index in reversed(range(1, len(inside))):
        if inside[index] in "_-. /":
            yield inside[:index], inside[index + 1 :]


def _object_file(path: str, rest: str) -> ObjectFile:
    rest = rest.replace("/", "_")
    match = _OBJECT.fullmatch(rest)
    name = (match["name"] or "") if match else rest
    name = name.strip("_-. ")
    label = None if name.lower() in _NO_CLASS or re.fullmatch(r"[\d_.-]*", name) else name
    return ObjectFile(path, label, match is not None or label is None)


def _without_leading_numbers(files: dict[str, list[ObjectFile]]) -> dict[str, list[ObjectFile]]:
    """Read 0_cat, 1_cat as objects of the class cat, where a class has several such numbers."""
    numbers: dict[str, set[str]] = {}
    for objects in files.values():
        for found in objects:
            if match := _LEADING.fullmatch(found.label or ""):
                numbers.setdefault(match["name"], set()).add(match["number"])
    if all(len(each) < 2 for each in numbers.values()):  # such as a class 2_wheeler
        return files
    return {
        image: [_without_number(found) for found in objects] for image, objects in files.items()
    }


def _without_number(found: ObjectFile) -> ObjectFile:
    match = _LEADING.fullmatch(found.label or "")
    if match is None:
        return found
    label = None if match["name"].lower() in _NO_CLASS else match["name"]
    return replace(found, label=label, numbered=True)


def without_part(parts: list[str], place: int) -> str:
    """Return a path without one of its folders."""
    return "/".join([*parts[:place], *parts[place + 1 :]])
