"""Tell by the names of folders which files are images and which are masks."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from condinst.dataset_converters.folder import Folder, stated_split

__all__ = [
    "MASK_NAMES",
    "OUTPUTS",
    "Place",
    "beside_masks",
    "folder_word",
    "placed",
    "placed_by_name",
]

MASK_NAMES = "masks, labels, label_maps, instances, gt, ground_truth, annotations, targets, segs"
_MASK_WORD = re.compile(
    r"((instance|inst|object|ped|seg|cell|nuclei|binary|gt)?[_-]?masks?"
    r"|labels?|instances?|gts?|ground_?truths?|segs?|segmentations?|label_?maps?"
    r"|(?<=train[_-])labs?|(?<=test[_-])labs?|(?<=val[_-])labs?"
    r"|anno(t(ation)?)?s?|anns?([_-]?dir)?|truths?|lbls?|targets?)"
    r"([ _-]?(images?|imgs?|tiffs?|pngs?))?([_-]?\d{1,2})?(?P<part>tr|ts)?$"
)
_IMAGE_WORD = re.compile(
    r"((png|jpe?g|tiff?|raw|original|input|rgb)?[_-]?(images?|imgs?|pictures|photos|frames)"
    r"|im(a)?ge?[_-]?dir|raw|inputs?|originals?)([_-]?\d{1,2})?(?P<part>tr|ts)?$"
)
# what cellpose writes beside masks
OUTPUTS = re.compile(r"_(flows?|cp_output|outlines?|cp_outlines|dP|cellprob)$")
_NNUNET = ("*tr", "*ts")  # what folder_word makes of imagesTr and imagesTs
_MASKS_BESIDE = ("_masks", "_mask", "_labels", "-masks", "_gt", "Masks")


@dataclass(frozen=True)
class Place:
    """A file in a folder of images or of masks."""

    file: str
    place: str  # the folder, with * in place of the word for images or masks
    inside: str  # the path within that folder, without suffix


def placed_by_name(folder: Folder, named: str) -> tuple[list[Place], list[Place]]:
    """Place the files by the name that the user gives to the folders of masks, or its pattern.

    The images lie beside that folder, or in the folders beside it.
    """
    wanted = [part for part in named.replace("\\", "/").split("/") if part not in ("", ".")]
    # the last folder of Instance_masks/images has the name of folders of images
    alike = len(wanted) > 1 and folder_word(wanted[-1].lower())[0] == "image"
    masks: list[Place] = []
    others: list[tuple[str, list[str]]] = []
    for file in folder.mask_files:
        parts = os.path.splitext(file)[0].split("/")
        ends = [
            i
            for i in range(len(wanted), len(parts))
            if all(map(fnmatchcase, parts[i - len(wanted) : i], wanted))
        ]
        if wanted and ends:
            where = "/".join(parts[: ends[0] - 1])
            masks.append(Place(file, where, "/".join(parts[ends[0] :])))
        elif file in folder.image_set and not OUTPUTS.search(parts[-1]):
            masks_of_others = [p for p in parts[:-1] if folder_word(p.lower())[0] == "mask"]
            is_wanted = any(map(fnmatchcase, parts[-2:-1], wanted[-1:]))
            if not masks_of_others and (alike or not is_wanted):
                others.append((file, parts))
    if not masks:
        there = sorted({os.path.dirname(file) or "." for file in folder.mask_files})
        raise ValueError(
            f"--mask-folder {named}: no folder of this name in {folder.root} has images or arrays; "
            f"there are {', '.join(there[:8])}{', ...' if len(there) > 8 else ''}"
        )
    places = {mask.place for mask in masks}
    images: list[tuple[Place, bool]] = []
    for file, parts in others:
        above = ["/".join(parts[:i]) for i in range(len(parts))]
        beside = max((p for p in above if p in places), key=len, default=None)
        start = len(parts) - 1 if beside is None else len(beside.split("/")) if beside else 0
        inside = parts[start:]
        known = len(inside) > 1 and folder_word(inside[0].lower())[0] == "image"
        images.append((Place(file, beside or "", "/".join(inside[1:] or inside)), known))
    with_word = [place for place, known in images if known]
    return with_word or [place for place, _ in images], masks


def placed(folder: Folder) -> tuple[list[Place], list[Place]]:
    """Return the images and the masks of a folder, by the names of their folders."""
    images: list[Place] = []
    masks: list[Place] = []
    folders = {os.path.dirname(file) for file in folder.images}
    for file in folder.mask_files:
        stem = os.path.splitext(file)[0]
        if OUTPUTS.search(stem):
            continue
        parts = stem.split("/")
        for index in reversed(range(len(parts) - 1)):
            kind, place = folder_word(parts[index].lower())
            beside = (*parts[:index], parts[index])
            if kind is None and any("/".join(beside) + end in folders for end in _MASKS_BESIDE):
                kind = "image"  # train, beside train_masks
            if kind is not None:
                where = "/".join([*parts[:index], place])
                inside = "/".join(parts[index + 1 :])
                if kind == "image" and place in _NNUNET:
                    inside = _without_channel(folder, file, inside)
                found = Place(file, where, inside)
                if kind == "mask":
                    masks.append(found)
                elif file in folder.image_set:
                    images.append(found)
                break
    return images, masks


def beside_masks(folder: Folder, masks: list[Place]) -> list[Place]:
    """Place the images in the folders beside those of masks, whatever their names.

    Where the masks beside each other have several places, such as those of splits, there are none.
    """
    places: dict[str, set[str]] = {}  # the folder above that of the masks -> their places
    roots = set()
    for mask in masks:
        root = os.path.splitext(mask.file)[0][: -len(mask.inside) - 1]
        roots.add(root)
        places.setdefault(os.path.dirname(root), set()).add(mask.place)
    if any(len(found) > 1 for found in places.values()):
        return []
    images = []
    for file in folder.images:
        parts = os.path.splitext(file)[0].split("/")
        above = ["/".join(parts[:i]) for i in range(len(parts))]
        parent = max((path for path in above if path in places), key=len, default=None)
        if parent is None or roots & set(above) or OUTPUTS.search(parts[-1]):
            continue
        inside = parts[above.index(parent) + 1 :]
        if len(inside) > 0:
            images.append(Place(file, min(places[parent]), "/".join(inside)))
    return images


def _without_channel(folder: Folder, file: str, inside: str) -> str:
    """Return nnU-Net's name of an image without the number of its channel, 0000.

    Raises:
        ValueError: the image has several channels.
    """
    if re.search(r"_000[1-9]$", inside):
        raise ValueError(
            f"{folder.root / file}: a second channel of an image of nnU-Net is not read; join the "
            "channels to one file, such as a TIFF of several channels"
        )
    return inside.removesuffix("_0000")


def folder_word(name: str) -> tuple[str | None, str]:
    """Tell whether a folder's name is one of images or masks, and return its other part."""
    if name in ("x", "y"):
        return ("image" if name == "x" else "mask"), "*"
    for kind, pattern in (("mask", _MASK_WORD), ("image", _IMAGE_WORD)):
        if match := pattern.search(name):
            before, word = name[: match.start()], match.group()
            if not before or not (before[-1] + word[0]).isalnum() or stated_split(before):
                # nnU-Net's imagesTr and labelsTr for training, imagesTs for the test
                return kind, f"{before.rstrip('_- .') or '*'}{match['part'] or ''}"
    return None, name
