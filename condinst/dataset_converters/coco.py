"""Import COCO json: find the files and their images, and split a file that has no split.

Files that can be used as they are stay untouched. Files that are written again keep their
segmentations, crowds and all other keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from condinst.dataset_converters.coco_images import (
    check_missing,
    check_names,
    image_folder,
    locate_images,
)
from condinst.dataset_converters.coco_meaning import check_content
from condinst.dataset_converters.coco_writer import CocoSplit, CocoWriter
from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.records import SPLITS, DatasetSplit, Imported, Notes
from condinst.dataset_converters.split import Sample, digest
from condinst.dataset_converters.split_notes import note_shared_images, split_with_notes
from condinst.datasets.coco.coco_file import read_coco_file
from condinst.datasets.coco.entry_issues import CROWDS_HELP, first_few
from condinst.datasets.coco.file_cache import keep_file, mark_of

__all__ = ["find_coco_files", "import_coco"]

_MANY_CROWDS = 0.05  # of the annotations; COCO itself has 1%
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
    splits = {
        name: _read(folder, file, name, notes) for name, file in _by_split(folder, files).items()
    }
    _look_at_crowds(splits.values(), notes)
    test = splits.get("test")
    if test is not None and len(splits) > 1 and not len(test.data.ann_ids):
        notes.say(f"{test.path} has no annotations and is not used.")
        del splits["test"]
    every = list(splits.values())
    classes = _used_classes(every, notes)
    writer = CocoWriter(out, every, notes)
    if {"train", "val"} <= splits.keys():
        note_shared_images({split.name: [s for s in split.samples if s] for split in every}, notes)
        made = {name: writer.keep_or_write(split, name) for name, split in splits.items()}
        return _imported(made, classes, notes, None)
    made = _split(splits, writer, notes, val_fraction, seed)
    return _imported(made, classes, notes, seed)


def _imported(
    made: dict[str, DatasetSplit], classes: tuple[str, ...], notes: Notes, seed: int | None
) -> Imported:
    return Imported(
        "coco", made["train"], made["val"], made.get("test"), classes, notes.sentences(), seed
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


def _by_split(folder: Folder, files: Sequence[str]) -> dict[str, str]:
    """Return split -> file; a single file without a split in its name gets the split ""."""
    if len(files) == 1:
        return {stated_split(files[0]) or "": files[0]}
    splits: dict[str, str] = {}
    for file in files:
        split = stated_split(file)
        if split is None or split in splits:
            listed = "".join(f"\n  {f}: {stated_split(f) or 'no split in its name'}" for f in files)
            raise ValueError(
                f"{folder.root}: several COCO files, expected one for each of {', '.join(SPLITS)}, "
                f"named so; or use --data FILE with one of them. Found:{listed}"
            )
        splits[split] = file
    return splits


def _read(folder: Folder, file: str, split: str, notes: Notes) -> CocoSplit:
    path = folder.root / file
    try:
        mark = mark_of(str(path))
        data = read_coco_file(str(path), keep_extras=True)
        keep_file(data, mark)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not data.file_names:
        raise ValueError(f"{path}: expected images under the key images, found none")
    for problem in [*data.problems, *data.fixes]:
        notes.say(f"{path}: {problem}.")
    check_content(path, data)
    check_names(folder, path, data.file_names)
    places = locate_images(folder, file, data.file_names)
    missing = [n for n, p in zip(data.file_names, places, strict=True) if p is None]
    check_missing(folder, path, missing)
    if len(missing) == len(places):
        raise ValueError(
            f"{path}: none of its images is in {folder.root} ({len(folder.images)} images "
            f"there); expected {first_few(missing)}. Put json and images below one folder and give "
            "that with --data"
        )
    for name in missing:
        notes.count(f"Images that {path} names and that are missing, left out", name)
    img_dir, exact = image_folder(places, data.file_names)
    found = [None if p is None else os.path.relpath(p, img_dir or ".") for p in places]
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
    return CocoSplit(split, path, data, folder.root / img_dir, found, exact, samples)


def _look_at_crowds(splits: Iterable[CocoSplit], notes: Notes) -> None:
    """Note how many annotations are crowds; refuse a file of crowds only."""
    for split in splits:
        number, crowds = len(split.data.ann_ids), int(split.data.crowd.sum())
        if crowds == number > 0 and split.name != "test":
            raise ValueError(
                f"{split.path}: all of its {number} annotations are crowds (iscrowd 1), which are "
                f"not learned from. {CROWDS_HELP}"
            )
        if crowds:
            notes.say(
                f"{split.path}: {crowds} of {number} annotations are crowds (iscrowd 1), which are "
                "not learned from." + (f" {CROWDS_HELP}" if crowds > _MANY_CROWDS * number else "")
            )


def _used_classes(splits: Sequence[CocoSplit], notes: Notes) -> tuple[str, ...]:
    """Return the class names in order, without the supercategory that Roboflow writes."""
    names: dict[str, int] = {}
    for split in splits:
        for index, (_, name) in enumerate(split.data.categories):
            number = int(np.count_nonzero(split.data.category_index == index))
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
    return tuple(names)


def _split(
    splits: dict[str, CocoSplit], writer: CocoWriter, notes: Notes, val_fraction: float, seed: int
) -> dict[str, DatasetSplit]:
    """Take the validation split from the training split, or from the only one there is."""
    name = "train" if "train" in splits else next(iter(splits))
    if len(splits) > 1 and name != "train":
        raise ValueError(
            f"expected a COCO file for training, found only {', '.join(sorted(splits))}; say "
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
