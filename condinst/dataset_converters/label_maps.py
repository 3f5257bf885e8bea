"""Read a folder of images and a folder of masks: one label map per image, 0 for background."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.class_names import (
    classes_of_values,
    number_name,
    stated_classes,
    unnamed,
)
from condinst.dataset_converters.class_tables import class_table, published_classes
from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import image_size, mask_and_size, read_label_map
from condinst.dataset_converters.mask_inversion import inversion_warning
from condinst.dataset_converters.mask_pairs import MaskPairs
from condinst.dataset_converters.mask_statistics import MaskStatistics, cut_at_half
from condinst.dataset_converters.mask_values import IGNORED, Meaning, choose_meaning
from condinst.dataset_converters.outlines import label_map_rles, mask_rle, rle_object
from condinst.dataset_converters.records import (
    EVERY_CLASS,
    ONE_CLASS,
    AnnotationSource,
    ImageRecord,
    Label,
    Notes,
)

__all__ = ["count_unpaired", "read_label_maps"]

_LOOKED_AT = 300  # masks, evenly spread, whose values are looked at
_CONNECTED = "each connected piece (by edge or corner) is one instance, so instances that touch"


def read_label_maps(
    folder: Folder, found: MaskPairs, asked: str | None, notes: Notes
) -> AnnotationSource:
    """Read label maps, whose values are instances or classes, as ``choose_meaning`` finds out.

    Raises:
        ValueError: a mask cannot be read, its size is not the image's, or it is not clear what the
            values mean.
    """
    count_unpaired(folder, found, notes)
    if any("/SEG/man_seg" in mask for _, mask in found.maps):
        asked = asked or "instances"
        notes.say(
            "Masks of the Cell Tracking Challenge: the gold truth (_GT) may outline some cells "
            "of an image only, and the others are learned as background. The silver truth (_ST) "
            "has all."
        )
    statistics = _look_at(folder, found.maps)
    if statistics.stacks and asked not in (None, "instances"):
        raise ValueError(
            f"{folder.root}: --masks {asked} does not fit stacks of masks, one for each object, "
            f"such as {statistics.stacks[0]}"
        )
    if asked is None and (tables := classes_of_values(folder)) and statistics.masks:
        asked = "classes"
        notes.say(f"{tables[0]} says that the values of the masks are classes.")
    table = class_table(folder)
    if asked is None and table is not None and table.has_colors(statistics.values):
        asked = "classes"
        notes.say(f"{table.path} says that the colors of the masks are classes.")
    elif (
        asked is None
        and table is not None
        and table.things
        and max(statistics.values, default=0) > 255
    ):
        asked = "class256"
    if statistics.stacks and not statistics.masks:
        asked = "instances"
    try:
        meaning = choose_meaning(statistics, asked)
    except ValueError as error:
        raise ValueError(f"{folder.root}: {error}") from None
    if table is not None and meaning.kind == "class256":
        meaning = replace(meaning, things=table.things)
    classes = None
    if meaning.kind not in ("instances", "binary"):
        classes = stated_classes(folder, notes, statistics.values)
        if classes is None:
            names = [image for image, _ in found.maps]
            classes = published_classes(meaning.kind, statistics.values, names, notes)
    only = found.label or ONE_CLASS
    _say(meaning, statistics, asked, classes is not None, only, notes)
    images = _read_all(folder, found.maps, meaning, asked is not None, classes, notes)
    if meaning.kind in ("instances", "binary"):
        return AnnotationSource("masks", images, {ONE_CLASS: only})
    return AnnotationSource("masks", images, classes, number_name)


def count_unpaired(folder: Folder, found: MaskPairs, notes: Notes) -> None:
    """Count images without masks and masks without images.

    Raises:
        ValueError: the names of an image and a mask differ by case only.
    """
    near = {os.path.splitext(os.path.basename(name))[0].casefold(): name for name in found.alone}
    for name in found.lonely:
        stem = os.path.splitext(os.path.basename(name))[0].casefold()
        if stem in near:
            raise ValueError(
                f"{folder.root / name}: no image has this name, but {near[stem]} is there without "
                "a mask: rename one of them"
            )
    for name in found.alone:
        notes.count("Images without a mask, left out", name)
    for name in found.lonely:
        notes.miss("Masks without an image, left out", name)


def _look_at(folder: Folder, pairs: Sequence[tuple[str, str]]) -> MaskStatistics:
    statistics = MaskStatistics()
    for image, mask in pairs[:: max(1, -(-len(pairs) // _LOOKED_AT))]:
        size = image_size(folder.root / image)
        labels = read_label_map(folder.root / mask, within=size, stacks=True)
        if labels.ndim == 3:
            statistics.stacks.append(mask)
        else:
            statistics.add(mask, labels)
    return statistics


def _say(
    meaning: Meaning,
    found: MaskStatistics,
    asked: str | None,
    named: bool,
    only: str,
    notes: Notes,
) -> None:
    kind = meaning.kind
    if found.stacks:
        notes.say(
            f"Stacks of masks, such as {found.stacks[0]}: each mask of a stack is one instance of "
            f"the class {only!r}."
        )
        if not found.masks:
            return
    if meaning.top and found.jpeg:
        notes.say(
            "Warning: the masks are JPEG files, which are not exact: values above half of "
            f"{meaning.top} are objects, and edges may be off by a pixel. Export them as PNG."
        )
    elif meaning.top:
        notes.say(
            f"The masks have soft edges, with values between 0 and {meaning.top}: they are cut at "
            "half."
        )
    soft = bool(meaning.top)
    if asked in (None, "instances") and (
        warning := inversion_warning(*found.count_inverted(soft)[1:])
    ):
        notes.say(warning)
    if kind == "binary":
        why = "No mask has more than one value besides 0"
        why = "As --masks binary says" if asked else "The masks are binary" if meaning.top else why
        other = "" if asked else " If each mask is one object, use --masks instances."
        notes.say(
            f"{why}: {_CONNECTED} are joined; the only class is {only!r}."
            + ("" if meaning.top else other)
        )
    elif kind == "instances":
        other = "" if asked else " If the values are classes, use --masks classes."
        notes.say(f"Each value in a mask is one instance; the only class is {only!r}.{other}")
        if found.split:
            notes.say(
                f"{len(found.split)} of {found.single + len(found.split)} values that were looked "
                f"at lie in several pieces, such as in {found.split[0]}: each is one instance."
            )
    elif kind == "classes":
        notes.say(f"Each value in a mask is a class; {_CONNECTED} and share a class are joined.")
    elif meaning.shift:
        notes.say("In the masks, red is the class and green the number of the instance.")
    else:
        modulus = kind.removeprefix("class")
        other = "" if asked else "; if each value is one instance without a class, use --masks "
        notes.say(
            f"The values in the masks are class * {modulus} + number of the instance"
            f"{other + 'instances' if other else ''}."
        )
    if meaning.void:
        notes.say(f"Value {meaning.void} marks undecided pixels and is left out.")
    if kind not in ("binary", "instances") and not named:
        notes.say("No classes.json or labels.json names the classes: they are named by numbers.")


def _read_all(
    folder: Folder,
    pairs: Sequence[tuple[str, str]],
    meaning: Meaning,
    asked: bool,
    classes: dict[Label, str] | None,
    notes: Notes,
) -> Iterator[ImageRecord]:
    whole = 0
    for name, mask in pairs:
        labels, (height, width) = mask_and_size(folder.root / mask, folder.root / name, stacks=True)
        if labels.ndim == 3:
            found_here = _of_stack(labels, folder.root / mask, meaning)
        else:
            if meaning.kind == "binary":
                labels = _binary(labels, folder.root / mask, mask, meaning, asked, notes)
                whole += bool(labels.all())
            labels = labels >> meaning.shift
            if meaning.void:
                labels[labels == meaning.void] = 0
            found_here = _instances(labels, meaning, mask, notes)
        objects = []
        for label, rle, crowd in found_here:
            if classes is not None and label not in classes and label != EVERY_CLASS:
                notes.count(unnamed(label), mask)
            if (found := rle_object(label, rle, crowd=crowd)) is not None:
                objects.append(found)
        if not any(not found["iscrowd"] for found in objects):
            notes.count("Images without objects, kept as negatives", name)
        yield ImageRecord(
            folder.root / name, height, width, objects, stated_split(os.path.dirname(name))
        )
    if pairs and whole == len(pairs):
        raise ValueError(
            f"{folder.root}: no pixel of its {whole} masks is 0, so each whole image would be one "
            "object; write 0 for the background, or use --masks classes if each value is a class"
        )


def _binary(
    labels: np.ndarray, path: Path, mask: str, meaning: Meaning, asked: bool, notes: Notes
) -> np.ndarray:
    """Return the mask of objects; refuse a mask that is not as the others that were looked at."""
    if meaning.top:
        objects = cut_at_half(labels, meaning.top)
        jpeg = path.suffix.lower() in (".jpg", ".jpeg", ".jfif", ".jpe")
        if not objects.any() and labels.any() and not jpeg:
            notes.count(f"Masks whose values stay below half of {meaning.top}, read as empty", mask)
        return objects
    if not asked and len(np.unique(labels[labels != 0])) > 1:
        raise ValueError(
            f"mask file {path}: it has several values, while the masks that were looked at first "
            "have one besides 0; use --masks instances, --masks classes or --masks binary"
        )
    return labels != 0


def _of_stack(
    stack: np.ndarray, path: Path, meaning: Meaning
) -> Iterator[tuple[Label, dict[str, Any], bool]]:
    """Yield each mask of an (N, H, W) stack, as ``_instances`` does."""
    if meaning.kind not in ("instances", "binary"):
        raise ValueError(
            f"mask file {path}: a stack of masks, while the masks that were looked at first have "
            "values of classes; keep one kind of masks"
        )
    for mask in stack:
        yield ONE_CLASS, mask_rle(mask), False


def _instances(
    labels: np.ndarray, meaning: Meaning, mask: str, notes: Notes
) -> Iterator[tuple[Label, dict[str, Any], bool]]:
    """Yield class, RLE and whether it is a crowd, for each instance of a label map."""
    if meaning.kind == "binary":
        for rle in _pieces(labels):
            yield ONE_CLASS, rle, False
        return
    if meaning.kind == "classes":
        for value in np.unique(labels[labels != 0]).tolist():
            for rle in _pieces(labels == value):
                yield value, rle, False
        return
    if 0 in meaning.things and not labels.all():
        yield 0, mask_rle(labels == 0), False
    for value, rle in label_map_rles(labels).items():
        if meaning.kind == "instances":
            yield ONE_CLASS, rle, False
        elif meaning.kind == "class1000":
            if value == IGNORED:
                notes.count("Regions to ignore (value 10000), kept as crowds of all classes", mask)
                yield EVERY_CLASS, rle, True
            else:
                yield value if value < 1000 else value // 1000, rle, value < 1000
        elif value % 256 or value // 256 in meaning.things:
            yield value // 256, rle, False
        else:
            notes.count("Regions without an instance number (class * 256), left out", mask)


def _pieces(mask: np.ndarray) -> Iterator[dict[str, Any]]:
    import cv2

    _, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    yield from label_map_rles(pieces.astype(np.int64)).values()
