"""Find the mask images of each image: which files are images, which are masks of which image.

Known layouts: a folder of images and one of masks (``images`` and ``masks``, ``PNGImages`` and
``PedMasks``, ``train`` and ``train_masks``, KITTI's ``image_2`` and ``instance``), both in one
folder (``1_img.png`` and ``1_masks.png``, ``1.png`` and ``1_cp_masks.png``), one object a file
(``masks/NAME_CLASS_N.png``, ``masks/NAME/N.png``), the Cell Tracking Challenge's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.mask_places import (
    OUTPUTS,
    Place,
    beside_masks,
    placed,
    placed_by_name,
)
from condinst.dataset_converters.object_files import ObjectFile, object_files, without_part

__all__ = ["MaskPairs", "find_pairs"]

_MASK_ENDING = re.compile(
    r"[_.-](cp_masks?|instance_masks?|masks?|labels?|instances?|gt|seg|segmentation|annotations?)$",
    re.IGNORECASE,
)
_MASK_BEGINNING = re.compile(r"(^|(?<=/))(masks?|labels?|instances?|gt|seg)[_.-]", re.IGNORECASE)
_IMAGE_WORDS = ("img", "image", "raw", "rgb", "sat")
_IMAGE_BEGINNING = re.compile(rf"(^|(?<=/))({'|'.join(_IMAGE_WORDS)})[_.-]", re.IGNORECASE)
_IMAGE_ENDING = re.compile(rf"[_.-]({'|'.join(_IMAGE_WORDS)})$", re.IGNORECASE)
_TRACKED = re.compile(
    r"(?P<base>(.*/)?\d\d)_(GT|ST)/SEG/man_seg_?(?P<number>\d{3,4})\.tif$", re.IGNORECASE
)

_NO_CLASS_FOLDER = re.compile(r"masks?|maps?|labels?|binary|inst|seg|gt|png|tif|images?|\d")


@dataclass(frozen=True)
class MaskPairs:
    """The masks of a folder.

    Attributes:
        maps: (image, mask) pairs where each image has one mask.
        files: image -> its mask files, where each file is one object; one of the two is empty.
        alone: images without a mask, in folders where others have one.
        lonely: masks without an image.
        by_folder: whether folders with the names of masks hold them. Otherwise only file names
            tell, which another format's folder may have too.
        label: the class that the only folder below the folder of masks names (``masks/cat``).
    """

    maps: list[tuple[str, str]]
    files: dict[str, list[ObjectFile]]
    alone: list[str]
    lonely: list[str]
    by_folder: bool
    label: str | None = None


_NO_PAIRS = MaskPairs([], {}, [], [], True)


def find_pairs(folder: Folder, named: str | None = None) -> MaskPairs:
    """Return the masks of a folder.

    Args:
        folder: the dataset's folder.
        named: the name of the folders of masks, if the user gives one.

    Raises:
        ValueError: an image has several label maps, or no folder has the given name.
    """
    if named is not None:
        images, masks = placed_by_name(folder, named)
        return _maps_or_files(folder, images, masks) or _NO_PAIRS
    if tracked := _cell_tracking(folder):
        return tracked
    images, masks = placed(folder)
    found = _maps_or_files(folder, images, masks) or _one_folder(folder)
    return found or _beside(folder, images, masks) or _NO_PAIRS


def _beside(folder: Folder, images: list[Place], masks: list[Place]) -> MaskPairs | None:
    """Pair the folders of masks with those beside them, if that leaves no mask alone.

    ``Slide_01/1.png`` has ``GT_01/1.png``, and ``test/cracks/1.png`` has
    ``ground_truth/cracks/1_mask.png``.
    """
    if images or not masks:
        return None
    try:
        found = _maps_or_files(folder, beside_masks(folder, masks), masks)
    except ValueError:  # several images have the name of a mask
        return None
    return None if found is None or found.lonely else replace(found, by_folder=False)


def _cell_tracking(folder: Folder) -> MaskPairs | None:
    """Pair 01/t000.tif with 01_GT/SEG/man_seg000.tif, of the Cell Tracking Challenge."""
    pairs: dict[str, str] = {}
    lonely = []
    for file in folder.images:
        match = _TRACKED.match(file)
        image = match and f"{match['base']}/t{match['number']}.tif"
        if not image:
            continue
        if image not in folder.image_set:
            lonely.append(file)
        elif image in pairs:
            raise ValueError(
                f"{folder.root / image}: several masks fit: {pairs[image]}, {file}; expected one, "
                "move the folders _GT or _ST away"
            )
        else:
            pairs[image] = file
    if not pairs:
        return None
    places = {os.path.dirname(image) for image in pairs}
    images = (f for f in folder.images if os.path.dirname(f) in places and f not in pairs)
    return MaskPairs(sorted(pairs.items()), {}, list(images), lonely, True)


def _maps_or_files(folder: Folder, images: list[Place], masks: list[Place]) -> MaskPairs | None:
    found = _maps(folder, images, masks) or _maps_below(folder, images, masks)
    if found is None or found.lonely:
        objects = object_files(images, masks)
        if objects and (found is None or len(objects[2]) < len(found.lonely)):
            found = MaskPairs([], *objects, True)
    return found


def _maps_below(folder: Folder, images: list[Place], masks: list[Place]) -> MaskPairs | None:
    """Pair images and masks as ``_maps`` does, where all masks lie in one folder more.

    ``annotations/trimaps/1.png`` belongs to ``images/1.png``, and ``masks/train/cells/1.png`` to
    ``images/train/1.png``. Of several such folders, each is a class.
    """
    parts = [mask.inside.split("/") for mask in masks]
    for place in range(min((len(each) for each in parts), default=1) - 1):
        heads = {each[place] for each in parts}
        if len(heads) > 1 or any(image.inside.split("/")[-1] in heads for image in images):
            continue
        (head,) = heads
        inner = [
            replace(mask, inside=without_part(each, place))
            for mask, each in zip(masks, parts, strict=True)
        ]
        found = _maps(folder, images, inner)
        if found is not None and not found.lonely:
            label = None if _NO_CLASS_FOLDER.search(head.lower()) else head
            return replace(found, label=label)
    return None


def _maps(folder: Folder, images: list[Place], masks: list[Place]) -> MaskPairs | None:
    """Pair each image with the mask of its name, in the same place or in the only one."""
    for with_place in (True, False):
        by_key: dict[tuple[str, str], list[str]] = {}
        for mask in masks:
            place = mask.place if with_place else ""
            for inside in _cores(mask.inside, _MASK_BEGINNING, _MASK_ENDING):
                by_key.setdefault((place, inside), []).append(mask.file)
        pairs, alone, used = [], [], set[str]()
        known = {place for place, _ in by_key}
        for image in images:
            place = image.place if with_place else ""
            if place not in known:
                continue
            inner = _cores(image.inside, _IMAGE_BEGINNING, _IMAGE_ENDING)
            found = [mask for name in inner for mask in by_key.get((place, name), ())]
            exact = [m for m in found if os.path.splitext(m)[0].endswith(image.inside)]
            found = list(dict.fromkeys(exact or found))
            if len(found) > 1:
                parents = dict.fromkeys(os.path.basename(os.path.dirname(m)) for m in found[:3])
                options = " or ".join(f"--mask-folder {name or '.'}" for name in parents)
                say = f"say {options}, or " if len(parents) > 1 else ""
                raise ValueError(
                    f"{folder.root / image.file}: several masks fit: {', '.join(found[:3])}; "
                    f"expected one: {say}move the others away"
                )
            if found and found[0] in used:
                raise ValueError(
                    f"{folder.root / found[0]}: several images fit, such as {image.file}; expected "
                    "one image for each mask"
                )
            used.update(found)
            if found:
                pairs.append((image.file, found[0]))
            else:
                alone.append(image.file)
        if pairs:
            lonely = [mask.file for mask in masks if mask.file not in used]
            return MaskPairs(pairs, {}, alone, lonely, True)
    return None


def _cores(inside: str, beginning: re.Pattern[str], ending: re.Pattern[str]) -> list[str]:
    """Return a path, and the path without the words for images or masks in the file's name."""
    return list(dict.fromkeys((inside, ending.sub("", inside), beginning.sub("", inside))))


def _one_folder(folder: Folder) -> MaskPairs | None:
    """Pair images and masks that lie in one folder."""
    by_stem: dict[str, str] = {}
    for file in reversed(folder.images):
        by_stem[os.path.splitext(file)[0]] = file
    masks: dict[str, list[str]] = {}
    arrays = [file for file in folder.mask_files if file not in folder.image_set]
    files = [*by_stem.items(), *((os.path.splitext(file)[0], file) for file in arrays)]
    for stem, file in sorted(files):
        if _MASK_ENDING.search(stem):
            masks.setdefault(_MASK_ENDING.sub("", stem), []).append(file)
    pairs, lonely, used = [], [], set[str]()
    for base, found in masks.items():
        stems = [base, *(f"{base}_{end}" for end in _IMAGE_WORDS)]
        there = [by_stem[stem] for stem in stems if stem in by_stem]
        if len(there) == 1 and len(found) > 1:
            raise ValueError(
                f"{folder.root / there[0]}: several masks fit: {', '.join(found[:3])}; expected "
                "one, move the others away"
            )
        if len(there) == 1:
            pairs.append((there[0], found[0]))
            used.update((there[0], found[0]))
        else:
            lonely += found
    if not pairs:
        return None
    pairs.sort()
    places = {os.path.dirname(image) for image, _ in pairs}
    alone = [
        file
        for stem, file in sorted(by_stem.items())
        if file not in used
        and file not in lonely
        and os.path.dirname(file) in places
        and not OUTPUTS.search(stem)
    ]
    return MaskPairs(pairs, {}, alone, lonely, False)
