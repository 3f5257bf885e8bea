"""COCO json: found, joined with its images, and split where it is in one piece.

Files that can be used as they are, are. Where they are written anew, segmentations, crowds and all
other keys stay what they were.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.folder import Folder, stated_part
from condinst.dataset_converters.records import PARTS, DatasetPart, Imported, Notes
from condinst.dataset_converters.split import Sample
from condinst.dataset_converters.split_notes import note_shared_images, split_with_notes
from condinst.dataset_converters.write_coco import output_path, write_coco
from condinst.utils.plain import plain, plain_annotation

__all__ = ["find_coco_files", "import_coco"]

# what COCO's own archives have beside the instances
_ROBOFLOW = "_annotations.coco.json"
_OTHER_TASKS = ("captions", "person_keypoints", "stuff", "panoptic", "image_info")


@dataclass
class _Part:
    """One annotation file and where its images are."""

    name: str  # train, val, test; "" for the only file of a set without parts
    path: Path
    data: Any  # CocoFile
    img_dir: Path
    found: list[str | None]  # N, file names relative to img_dir; None: there is no such image
    as_it_is: bool  # every image is where the json says
    samples: list[Sample | None]  # N; None where ``found`` is


def find_coco_files(folder: Folder) -> list[str]:
    """The folder's json files of COCO's instances, relative to it.

    Those that an earlier import wrote count only where there are no others.
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
    """See :func:`condinst.dataset_converters.import_data`.

    Args:
        files: the annotation files, relative to the folder.
    """
    parts = {
        name: _read(folder, file, name, notes) for name, file in _by_part(folder, files).items()
    }
    test = parts.get("test")
    if test is not None and len(parts) > 1 and not len(test.data.ann_ids):
        notes.say(f"{test.path} has no annotations and is not used.")
        del parts["test"]
    every = list(parts.values())
    classes = _used_classes(every, notes)
    writer = _Writer(out, every, notes)
    if {"train", "val"} <= parts.keys():
        note_shared_images({part.name: [s for s in part.samples if s] for part in every}, notes)
        made = {name: writer.keep_or_write(part, name) for name, part in parts.items()}
        return _imported(made, classes, notes, None)
    made = _split(parts, writer, notes, val_fraction, seed)
    return _imported(made, classes, notes, seed)


def _imported(
    made: dict[str, DatasetPart], classes: tuple[str, ...], notes: Notes, seed: int | None
) -> Imported:
    return Imported(
        "coco", made["train"], made["val"], made.get("test"), classes, notes.sentences(), seed
    )


def _by_part(folder: Folder, files: Sequence[str]) -> dict[str, str]:
    """train, val, test -> file; a single file that says nothing has the part ""."""
    if len(files) == 1:
        return {stated_part(files[0]) or "": files[0]}
    parts: dict[str, str] = {}
    for file in files:
        part = stated_part(file)
        if part is None or part in parts:
            listed = "".join(f"\n  {f}: {stated_part(f) or 'no part in its name'}" for f in files)
            raise ValueError(
                f"{folder.root}: several COCO files, expected one for each of {', '.join(PARTS)}, "
                f"named so; or give one file as the path. Found:{listed}"
            )
        parts[part] = file
    return parts


def _read(folder: Folder, file: str, part: str, notes: Notes) -> _Part:
    from condinst.datasets.coco.coco_file import read_coco_file
    from condinst.datasets.coco.entry_issues import first_few
    from condinst.datasets.coco.file_cache import keep_file, mark_of

    path = folder.root / file
    try:
        mark = mark_of(str(path))
        data = read_coco_file(str(path), keep_extras=True)
        keep_file(data, mark)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not data.file_names:
        raise ValueError(f"{path}: expected images under the key images, found none")
    for problem in [*data.problems, *data.repairs]:
        notes.say(f"{path}: {problem}.")
    places = _locate(folder, file, data.file_names)
    missing = [n for n, p in zip(data.file_names, places, strict=True) if p is None]
    if len(missing) == len(places):
        raise ValueError(
            f"{path}: none of its images is in {folder.root} ({len(folder.images)} images "
            f"there); expected {first_few(missing)}"
        )
    for name in missing:
        notes.count(f"Images that {path} names and that are missing, left out", name)
    img_dir, exact = _image_folder(places, data.file_names)
    found = [None if p is None else os.path.relpath(p, img_dir or ".") for p in places]
    labels: list[set[str]] = [set() for _ in places]
    known = (data.image_index >= 0) & (data.category_index >= 0)
    for image, category in zip(
        data.image_index[known].tolist(), data.category_index[known].tolist(), strict=True
    ):
        labels[image].add(str(data.categories[category][1]))
    samples = [
        None if p is None else Sample(p, folder.root / p, frozenset(label))
        for p, label in zip(places, labels, strict=True)
    ]
    return _Part(part, path, data, folder.root / img_dir, found, exact, samples)


def _locate(folder: Folder, file: str, names: Sequence[str]) -> list[str | None]:
    """The images of one json, relative to the folder."""
    part, beside = stated_part(file), os.path.dirname(file)
    prefixes = {
        path[: len(path) - len(name)]
        for name in list(names)[:20]
        for path in folder.by_name.get(os.path.basename(name), [])
        if path == name or path.endswith("/" + name)
    }

    def hits(prefix: str) -> tuple:
        number = sum(prefix + name in folder.image_set for name in names)
        return (-number, stated_part(prefix) != part, prefix.rstrip("/") != beside, prefix)

    prefix = min(prefixes, key=hits, default="")
    return [
        prefix + name if prefix + name in folder.image_set else folder.find_image(name, beside)
        for name in names
    ]


def _image_folder(places: Sequence[str | None], names: Sequence[str]) -> tuple[str, bool]:
    """The folder, relative to the root, that the file names are relative to, and whether all are.

    Where they are relative to none, it is the one that holds all images.
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


def _used_classes(parts: Sequence[_Part], notes: Notes) -> tuple[str, ...]:
    """The names in order, without the group that Roboflow writes as a category."""
    names: dict[str, int] = {}
    for part in parts:
        for index, (_, name) in enumerate(part.data.categories):
            number = int(np.count_nonzero(part.data.category_index == index))
            names[str(name)] = names.get(str(name), 0) + number
    if not sum(names.values()):
        raise ValueError(f"{parts[0].path}: expected annotations of its categories, found none")
    empty = [name for name, number in names.items() if not number]
    if empty == list(names)[:1] and parts[0].path.name == _ROBOFLOW and len(names) > 1:
        notes.say(f"The category {empty[0]!r} is Roboflow's name for the group of all; left out.")
        del names[empty[0]]
    elif empty:
        listed = ", ".join(empty[:10]) + (", ..." if len(empty) > 10 else "")
        notes.say(f"{len(empty)} of {len(names)} categories have no annotations: {listed}.")
    return tuple(names)


class _Writer:
    """Writes parts anew, with one list of categories for all of them."""

    def __init__(self, out: Path, parts: Sequence[_Part], notes: Notes) -> None:
        self._out, self._notes = out, notes
        self._same = len({tuple(part.data.categories) for part in parts}) == 1
        names = dict.fromkeys(str(name) for part in parts for _, name in part.data.categories)
        self._ids = {name: number for number, name in enumerate(names, 1)}
        if not self._same:
            notes.say(
                "The files number their categories differently: they are written anew, with the "
                f"{len(names)} names of all."
            )

    def keep_or_write(self, part: _Part, name: str) -> DatasetPart:
        """The part itself where it can be used as it is."""
        if not (self._same and part.as_it_is):
            return self.write(part, name, None)
        return DatasetPart(
            part.path, part.img_dir, len(part.data.image_ids), len(part.data.ann_ids)
        )

    def write(self, part: _Part, name: str, chosen: set[int] | None) -> DatasetPart:
        """Write the chosen images of a part (None: all that there are) as the part ``name``."""
        data = part.data
        used = [
            index
            for index, file_name in enumerate(part.found)
            if file_name is not None and (chosen is None or index in chosen)
        ]
        images = [plain({**data.images[i], "file_name": part.found[i]}) for i in used]
        there = np.isin(data.image_index, used) & (data.category_index >= 0)
        wrong = {
            f.index: f.text for f in data.faults if f.where == "annotations" and not f.repaired
        }
        for i in sorted(wrong):
            if there[i]:
                self._notes.count(
                    f"Annotations of {part.path} that cannot be used, left out",
                    f"id {data.ann_ids[i]}",
                )
                there[i] = False
        kept = np.flatnonzero(there).tolist()
        categories = plain(data.category_entries)
        if not self._same:
            categories = [{"id": number, "name": text} for text, number in self._ids.items()]
        path = output_path(self._out, name)
        head = {key: plain(data.head[key]) for key in ("info", "licenses") if key in data.head}
        annotations = (self._annotation(data, i) for i in kept)
        write_coco(path, images=images, annotations=annotations, categories=categories, head=head)
        return DatasetPart(path, part.img_dir, len(images), len(kept))

    def _annotation(self, data: Any, index: int) -> dict[str, Any]:
        found = plain_annotation(data.annotation(index))
        if not self._same:
            found["category_id"] = self._ids[data.categories[data.category_index[index]][1]]
        return found


def _split(
    parts: dict[str, _Part], writer: _Writer, notes: Notes, val_fraction: float, seed: int
) -> dict[str, DatasetPart]:
    """Take the validation part from the training part, or from the only one there is."""
    name = "train" if "train" in parts else next(iter(parts))
    if len(parts) > 1 and name != "train":
        raise ValueError(
            f"expected a COCO file for training, found only {', '.join(sorted(parts))}; give the "
            "one to split as the path"
        )
    part = parts[name]
    places = [i for i, sample in enumerate(part.samples) if sample is not None]
    samples = [sample for sample in part.samples if sample is not None]
    flags = split_with_notes(samples, notes, val_fraction=val_fraction, seed=seed)
    made = {
        "train": writer.write(
            part, "train", {p for p, v in zip(places, flags, strict=True) if not v}
        ),
        "val": writer.write(part, "val", {p for p, v in zip(places, flags, strict=True) if v}),
    }
    if "test" in parts and name != "test":
        made["test"] = writer.keep_or_write(parts["test"], "test")
        note_shared_images(
            {"train and val": samples, "test": [s for s in parts["test"].samples if s]}, notes
        )
    return made
