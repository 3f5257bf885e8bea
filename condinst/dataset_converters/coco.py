"""Import COCO json: find the files and their images, and split a file that has no split.

Files that can be used as they are stay untouched. Files that are written again keep their
segmentations, crowds and all other keys. Several files of one split are joined.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from condinst.dataset_converters.class_names import note_alike
from condinst.dataset_converters.coco_parts import CocoSplit, check_spelling, sentence_on_crowds
from condinst.dataset_converters.coco_reading import read_splits
from condinst.dataset_converters.coco_writer import CocoWriter
from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.missing_images import judge_missing
from condinst.dataset_converters.records import SPLITS, DatasetSplit, Imported, Notes
from condinst.dataset_converters.split import digest
from condinst.dataset_converters.split_lists import listed_splits
from condinst.dataset_converters.split_notes import note_shared_images, split_with_notes

__all__ = ["find_coco_files", "import_coco"]

_ROBOFLOW = "_annotations.coco.json"
# other annotation files in COCO's archives
_OTHER_TASKS = ("captions", "person_keypoints", "stuff", "panoptic", "image_info")


def find_coco_files(folder: Folder) -> list[str]:
    """Return the folder's COCO instance files, relative to the folder.

    Files that an earlier import wrote count only if there are no others.
    """
    found = folder.json_kinds.get("coco", [])
    instances = [f for f in found if not Path(f).name.startswith(_OTHER_TASKS)]
    found = instances or found
    return [f for f in found if not folder.sniffed(f).written_here] or found


def import_coco(
    folder: Folder,
    out: Path,
    notes: Notes,
    *,
    files: Sequence[str],
    val_fraction: float,
    seed: int,
) -> Imported:
    """Import COCO files; see :func:`condinst.dataset_converters.import_data`.

    Args:
        folder: the dataset's folder.
        out: the folder for files that have to be written again.
        notes: receives every decision.
        files: the annotation files, relative to the folder.
        val_fraction, seed: of the split, where the source has none.

    Raises:
        ValueError: a file is broken, has no images or annotations, or no split fits its name.
    """
    files = _without_copies(folder, files, notes)
    by_split = _by_split(folder, files)
    splits = read_splits(folder, by_split, notes)
    check_spelling(folder.root, [part for split in splits.values() for part in split.parts])
    for split in splits.values():
        if crowds := sentence_on_crowds(split):
            notes.say(crowds)
    test = splits.get("test")
    if test is not None and len(splits) > 1 and not test.num_annotations:
        notes.say(f"{test.path} has no annotations and is not used.")
        del splits["test"]
    every = list(splits.values())
    classes = _used_classes(every, notes)
    missing = [name for split in every for name in split.missing]
    judge_missing(folder, missing, sum(split.num_images for split in every) - len(missing), notes)
    writer = CocoWriter(out, every, notes)
    if {"train", "val"} <= splits.keys():
        note_shared_images({split.name: [s for s in split.samples if s] for split in every}, notes)
        made = {name: writer.keep_or_write(split, name) for name, split in splits.items()}
        return _imported(made, classes, notes, None)
    if len(splits) == 1 and (made := _by_lists(folder, every[0], writer, notes)):
        return _imported(made, classes, notes, None)
    made = _split(splits, writer, notes, val_fraction, seed)
    return _imported(made, classes, notes, seed)


def _imported(
    made: dict[str, DatasetSplit], classes: tuple[str, ...], notes: Notes, seed: int | None
) -> Imported:
    return Imported(
        "coco",
        made["train"],
        made["val"],
        made.get("test"),
        classes,
        notes.sentences(),
        seed,
        tuple(notes.warnings),
    )


def _without_copies(folder: Folder, files: Sequence[str], notes: Notes) -> list[str]:
    """Leave out files that are equal, byte for byte, to another one of the same split."""
    alike: dict[tuple[str | None, int], list[str]] = {}
    for file in sorted(files, key=lambda file: (len(file), file)):
        size = os.path.getsize(folder.root / file)
        alike.setdefault((stated_split(file), size), []).append(file)
    copies = set()
    for group in alike.values():
        first: dict[bytes, str] = {}
        for file in group if len(group) > 1 else ():
            path = folder.root / file
            original = first.setdefault(digest(path), file)
            if original != file:
                copies.add(file)
                notes.say(f"{path} equals {folder.root / original}, byte for byte: read once.")
    return [file for file in files if file not in copies]


def _by_split(folder: Folder, files: Sequence[str]) -> dict[str, list[str]]:
    """Return split -> files; files without a split in their names get the split ""."""
    splits: dict[str, list[str]] = {}
    for file in files:
        splits.setdefault(stated_split(file) or "", []).append(file)
    if "" in splits and len(splits) > 1:
        listed = "".join(
            f"\n  {f}: {stated_split(f) or 'no split in its name'}" for f in files[:20]
        )
        raise ValueError(
            f"{folder.root}: several COCO files, of which some name no split; expected all or none "
            f"to be named by {', '.join(SPLITS)}; or use --data FILE with one of them. "
            f"Found:{listed}"
        )
    return splits


def _used_classes(splits: Sequence[CocoSplit], notes: Notes) -> tuple[str, ...]:
    """Return the class names in order, without the supercategory that Roboflow writes."""
    names: dict[str, int] = {}
    for data in (part.data for split in splits for part in split.parts):
        for index, (_, name) in enumerate(data.categories):
            number = int(np.count_nonzero(data.category_index == index))
            names[str(name)] = names.get(str(name), 0) + number
    if not sum(names.values()):
        raise ValueError(f"{splits[0].path}: expected annotations of its categories, found none")
    empty = [name for name, number in names.items() if not number]
    if empty == list(names)[:1] and splits[0].path.name == _ROBOFLOW and len(names) > 1:
        notes.say(f"The category {empty[0]!r} is Roboflow's parent of all classes; left out.")
        del names[empty[0]]
    elif empty:
        listed = ", ".join(empty[:10]) + (", ..." if len(empty) > 10 else "")
        notes.say(f"{len(empty)} of {len(names)} categories have no annotations: {listed}.")
    note_alike(names, notes)
    return tuple(names)


def _by_lists(
    folder: Folder, split: CocoSplit, writer: CocoWriter, notes: Notes
) -> dict[str, DatasetSplit]:
    """Split by lists of images, if lists for training and validation are there."""
    places = [i for i, sample in enumerate(split.samples) if sample is not None]
    names = [sample.name for sample in split.samples if sample is not None]
    found = listed_splits(folder, names, notes)
    if found is None or not {"train", "val"} <= set(found):
        return {}
    pairs = list(zip(places, found, strict=True))
    return {
        name: writer.write(split, name, {place for place, of in pairs if of == name})
        for name in SPLITS
        if name in found
    }


def _split(
    splits: dict[str, CocoSplit], writer: CocoWriter, notes: Notes, val_fraction: float, seed: int
) -> dict[str, DatasetSplit]:
    """Take the validation split from the training split, or from the only one there is."""
    name = "train" if "train" in splits else next(iter(splits))
    if len(splits) > 1 and name != "train":
        raise ValueError(
            f"expected a COCO file for training, found only {', '.join(sorted(splits))}; use "
            "--data FILE with the one to split"
        )
    split = splits[name]
    places = [i for i, sample in enumerate(split.samples) if sample is not None]
    samples = [sample for sample in split.samples if sample is not None]
    flags = split_with_notes(samples, notes, val_fraction=val_fraction, seed=seed)
    made = {
        "train": writer.write(
            split, "train", {p for p, v in zip(places, flags, strict=True) if not v}
        ),
        "val": writer.write(split, "val", {p for p, v in zip(places, flags, strict=True) if v}),
    }
    if "test" in splits and name != "test":
        made["test"] = writer.keep_or_write(splits["test"], "test")
        note_shared_images(
            {"train and val": samples, "test": [s for s in splits["test"].samples if s]}, notes
        )
    return made
