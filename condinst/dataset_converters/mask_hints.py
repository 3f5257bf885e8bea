"""Say why images that may be masks were not taken for masks, and what to do."""

from __future__ import annotations

import os
from collections import Counter

from PIL import Image

from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.mask_places import MASK_NAMES, folder_word

__all__ = ["mask_hint"]

_COMPARED = 5_000  # files of a folder
_ENDINGS = "_-. "


def mask_hint(folder: Folder) -> str:
    """Return a sentence on folders or files that may be images and masks; empty if none may be."""
    by_folder: dict[str, dict[str, str]] = {}  # folder -> name without suffix -> file
    for file in folder.mask_files:
        stem = os.path.splitext(os.path.basename(file))[0]
        found = by_folder.setdefault(os.path.dirname(file), {})
        if len(found) < _COMPARED:
            found[stem] = file
    pairs = [
        (len(a.keys() & b.keys()), one, other)
        for one, a in by_folder.items()
        for other, b in by_folder.items()
        if one < other and len(by_folder) <= 50
    ]
    shared, one, other = max(
        pairs,
        key=lambda pair: (pair[0], _is_mask(pair[1]) != _is_mask(pair[2])),
        default=(0, "", ""),
    )
    if shared and (hint := _of_same_names(folder, by_folder, one, other)):
        apart = [f"{a} and {b}" for n, a, b in pairs if n and not {a, b} & {one, other}]
        if apart:
            hint += (
                f". The option reads folders of one name: {apart[0]} share names too, so that it "
                "may read a part only; then rename the folders to images and masks, or to names "
                "such as train_images and train_masks"
            )
        return hint
    if hint := _of_beginnings(by_folder) or _of_endings(by_folder):
        return hint
    if len(by_folder) < 2:
        return ""
    seen = [
        f"{name or '.'} ({len(files)}, such as {os.path.basename(min(files.values()))})"
        for name, files in sorted(by_folder.items())[:6]
    ]
    more = ", ..." if len(by_folder) > 6 else ""
    return (
        f"Folders with images: {', '.join(seen)}{more}; no file has the name of one in another "
        "folder. A mask has the name of its image, in a folder beside it (images/1.png and "
        "masks/1.png), or an ending (1.png and 1_mask.png)"
    )


def _of_same_names(
    folder: Folder, by_folder: dict[str, dict[str, str]], one: str, other: str
) -> str:
    name = min(by_folder[one].keys() & by_folder[other].keys())
    files = by_folder[one][name], by_folder[other][name]
    images = [folder_word(os.path.basename(f).lower())[0] == "image" for f in (one, other)]
    named_so = [_is_mask(one), _is_mask(other)]
    gray = [_may_be_mask(folder, file) for file in files]
    if images[0] != images[1]:
        masks = [other if images[0] else one]
    elif named_so[0] != named_so[1]:
        masks = [one if named_so[0] else other]
    elif gray[0] != gray[1]:
        masks = [one if gray[0] else other]
    else:
        masks = [one, other]
    options = dict.fromkeys(f"--mask-folder {_own_name(m)}" for m in masks if m)
    named = " or ".join(options)
    if not named:
        return ""
    return (
        f"{files[0]} and {files[1]} have one name: if {' or '.join(m or '.' for m in masks)} holds "
        f"the masks, use {named}. Without the option, folders of masks have names such as "
        f"{MASK_NAMES}"
    )


def _is_mask(path: str) -> bool:
    return folder_word(os.path.basename(path).lower())[0] == "mask"


def _own_name(path: str) -> str:
    """Return the end of a folder's path without what names a split, if anything is left."""
    parts = [part for part in path.split("/") if not stated_split(part)]
    return (parts or path.split("/"))[-1]


def _of_beginnings(by_folder: dict[str, dict[str, str]]) -> str:
    """Find folders such as masks/1_cat_0.png beside photos/1.png."""
    for one, images in by_folder.items():
        for other, masks in by_folder.items():
            if one == other or not os.path.basename(other) or len(by_folder) > 50:
                continue
            for stem, file in list(masks.items())[:20]:
                places = [i for i in range(1, len(stem)) if stem[i] in _ENDINGS]
                if any(stem[:i] in images for i in places):
                    image = next(images[stem[:i]] for i in places if stem[:i] in images)
                    name = _own_name(other)
                    if folder_word(name.lower())[0] == "image":  # Instance_masks/images
                        name = "/".join(other.split("/")[-2:])
                    return (
                        f"{file} begins with the name of {image}: if {other} holds the masks, say "
                        f"--mask-folder {name}"
                    )
    return ""


def _may_be_mask(folder: Folder, file: str) -> bool:
    """Tell whether a file is an array, or an image without colors."""
    if file not in folder.image_set:
        return True
    try:
        with Image.open(folder.root / file) as image:
            return image.mode not in ("RGB", "RGBA", "CMYK", "YCbCr")
    except Exception:  # the reader of the format says what is wrong with it
        return False


def _of_endings(by_folder: dict[str, dict[str, str]]) -> str:
    """Find files such as 1_lab.png beside 1.png."""
    endings: Counter[str] = Counter()
    examples: dict[str, tuple[str, str]] = {}
    for files in by_folder.values():
        for stem, file in files.items():
            places = [i for i in range(1, len(stem)) if stem[i] in _ENDINGS and stem[:i] in files]
            if places:
                ending = stem[places[-1] :]
                endings[ending] += 1
                examples.setdefault(ending, (files[stem[: places[-1]]], file))
    if not endings:
        return ""
    ending, number = endings.most_common(1)[0]
    if ending[1:].isdigit() or number < 2:
        return ""
    image, mask = examples[ending]
    return (
        f"{mask} lies beside {image}: if it is the mask, rename such files to end in _mask, or "
        "move them to a folder masks, with the names of their images"
    )
