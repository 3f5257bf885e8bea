"""Write the images of a format reader as one COCO json for each split."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condinst.dataset_converters.class_names import note_alike
from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.missing_images import judge_missing
from condinst.dataset_converters.outlines import is_rectangle, rectangle
from condinst.dataset_converters.records import (
    EVERY_CLASS,
    SPLITS,
    AnnotationSource,
    DatasetSplit,
    ImageRecord,
    Imported,
    Label,
    Notes,
)
from condinst.dataset_converters.split import Sample
from condinst.dataset_converters.split_lists import listed_splits
from condinst.dataset_converters.split_notes import note_shared_images, split_with_notes
from condinst.dataset_converters.write_coco import output_path, write_coco

__all__ = ["convert"]


@dataclass(frozen=True)
class _Stored:
    """An image whose objects are kept as json text, which takes a tenth of the memory."""

    path: Path
    height: int
    width: int
    objects: bytes
    labels: frozenset[Label]  # of objects that are no crowds
    num_objects: int
    split: str | None


def convert(
    source: AnnotationSource,
    folder: Folder,
    out: Path,
    notes: Notes,
    *,
    val_fraction: float,
    seed: int,
) -> Imported:
    """Read all images of a source and write one COCO json for each split.

    Args:
        source: the dataset, as its format reader returns it.
        folder: the dataset's folder; notes name images relative to it.
        out: the folder that receives ``annotations``.
        notes: receives every decision.
        val_fraction, seed: of the split, where the source has none.

    Raises:
        ValueError: the source has no images or no objects, or a file of it is broken.
    """
    root = folder.root
    boxes, rectangles, masks, corners, seen = 0, 0, 0, 0, set[Label]()
    stored = []
    for image in source.images:
        without = sum(
            "segmentation" not in found and not found["iscrowd"] for found in image.objects
        )
        drawn = sum(found.get("rectangle", False) for found in image.objects)
        corners += sum(
            is_rectangle(found) for found in image.objects if not found.get("rectangle", False)
        )
        crowds = sum(found["iscrowd"] for found in image.objects)
        boxes, rectangles = boxes + without, rectangles + drawn
        masks += len(image.objects) - without - drawn - crowds
        seen.update(found["label"] for found in image.objects if not found["iscrowd"])
        stored.append(_store(image))
    names = source.classes
    for label in sorted(seen - (names or {}).keys()):  # type: ignore[type-var]
        names = {**(names or {}), label: source.name_of(label)}
    names = names or {}
    _check(source, root, stored, seen, notes)
    judge_missing(folder, [*notes.missing], len(stored), notes)
    note_alike(names.values(), notes)
    if rectangles and masks:
        notes.say(
            f"{rectangles} objects are rectangles, {masks} have other outlines: the rectangles are "
            "read as masks of that shape."
        )
        masks += rectangles
    elif rectangles:
        boxes += rectangles
    if corners == masks > 0:
        notes.say(
            f"Warning: all {masks} outlines are rectangles, as in labels of boxes or of rotated "
            "boxes (YOLO's OBB): they are read as masks of that shape, so a model learns them."
        )
    if boxes:
        _say_boxes(boxes, masks, notes)
    if len({image.split for image in stored}) == 1:
        lists = listed_splits(folder, [_name(image, root) for image in stored], notes)
        if lists is not None:
            pairs = zip(stored, lists, strict=True)
            stored = [replace(image, split=split) for image, split in pairs if split]
    splits, used_seed = _splits(stored, names, root, notes, val_fraction, seed)
    img_dirs = {split: _common_folder(images) for split, images in splits.items()}
    if used_seed is not None:  # both come from one folder
        shared = _common_folder([*splits["train"], *splits["val"]])
        img_dirs |= {"train": shared, "val": shared}
    made = {
        split: _write(output_path(out, split), images, img_dirs[split], names, bool(masks), root)
        for split, images in splits.items()
    }
    return Imported(
        source.format,
        made["train"],
        made["val"],
        made.get("test"),
        tuple(names.values()),
        notes.sentences(),
        used_seed,
        tuple(notes.warnings),
    )


def _store(image: ImageRecord) -> _Stored:
    objects = [found for found in image.objects if not found["iscrowd"]]
    return _Stored(
        image.path,
        image.height,
        image.width,
        json.dumps(image.objects, separators=(",", ":")).encode(),
        frozenset(found["label"] for found in objects),
        len(image.objects),
        image.split,
    )


def _check(
    source: AnnotationSource, root: Path, stored: Sequence[_Stored], seen: set[Label], notes: Notes
) -> None:
    if stored and seen:
        return
    what = "images with annotations" if not stored else "objects in the images"
    found = "".join(f"\n  {sentence}" for sentence in notes.sentences())
    way = ""
    if not stored and source.format == "rle-csv":
        way = "; an id in the csv must be the name of an image, such as 1 or 1.png: change either"
    raise ValueError(f"{root}: read as {source.format}, no {what} found{way}{found}")


def _say_boxes(boxes: int, masks: int, notes: Notes) -> None:
    if masks:
        notes.say(
            f"{boxes} objects have a box and no outline, {masks} have an outline: masks are "
            "learned from the outlines where they are, and from the boxes elsewhere."
        )
    else:
        notes.say(f"All {boxes} objects are boxes without outlines: BoxInst can learn from them.")


def _splits(
    stored: Sequence[_Stored],
    names: dict[Label, str],
    root: Path,
    notes: Notes,
    val_fraction: float,
    seed: int,
) -> tuple[dict[str, list[_Stored]], int | None]:
    """Return split -> images, in the source's order, and the seed of a split made here."""
    given: dict[str | None, list[_Stored]] = {}
    for image in stored:
        given.setdefault(image.split, []).append(image)
    if "test" in given and len(given) > 1 and not any(p.num_objects for p in given["test"]):
        notes.say(f"The test split has no objects in its {len(given.pop('test'))} images: unused.")
    if None in given and len(given) > 1:
        for image in given.pop(None):
            notes.count("Images outside the folders of the splits, left out", _name(image, root))
    if {"train", "val"} <= given.keys():
        splits = {name: given[name] for name in SPLITS if name in given}
        note_shared_images(
            {name: [_sample(p, names, root) for p in group] for name, group in splits.items()},
            notes,
        )
        return splits, None
    pool = given.pop("train", None) or [p for group in given.values() for p in group]
    rest = {"test": given["test"]} if "test" in given and pool[0].split == "train" else {}
    samples = [_sample(image, names, root) for image in pool]
    flags = split_with_notes(samples, notes, val_fraction=val_fraction, seed=seed)
    splits = {
        "train": [p for p, flag in zip(pool, flags, strict=True) if not flag],
        "val": [p for p, flag in zip(pool, flags, strict=True) if flag],
        **rest,
    }
    return splits, seed


def _name(image: _Stored, root: Path) -> str:
    return Path(os.path.relpath(image.path, root)).as_posix()


def _sample(image: _Stored, names: dict[Label, str], root: Path) -> Sample:
    labels = frozenset(names[label] for label in image.labels if label in names)
    return Sample(_name(image, root), image.path, labels)


def _common_folder(images: Sequence[_Stored]) -> Path:
    return Path(os.path.commonpath({os.path.dirname(image.path) for image in images}))


def _write(
    path: Path,
    images: Sequence[_Stored],
    img_dir: Path,
    names: dict[Label, str],
    with_masks: bool,
    root: Path,
) -> DatasetSplit:
    entries = (
        {
            "id": number,
            "file_name": Path(os.path.relpath(image.path, img_dir)).as_posix(),
            "height": image.height,
            "width": image.width,
        }
        for number, image in enumerate(images, 1)
    )
    ids = {label: number for number, label in enumerate(names, 1)}
    counter: Counter[str] = Counter()
    write_coco(
        path,
        images=entries,
        annotations=_annotations(images, ids, with_masks, counter),
        categories=[{"id": number, "name": name} for number, name in enumerate(names.values(), 1)],
    )
    return DatasetSplit(path, img_dir, len(images), counter["annotations"], root)


def _annotations(
    images: Sequence[_Stored], ids: dict[Label, int], with_masks: bool, counter: Counter[str]
) -> Iterator[dict[str, Any]]:
    for image_id, image in enumerate(images, 1):
        for found in json.loads(image.objects):
            label, rectangle_drawn = found.pop("label"), found.pop("rectangle", False)
            if not with_masks and rectangle_drawn:
                del found["segmentation"]
                found["area"] = found["bbox"][2] * found["bbox"][3]
            if with_masks and found["iscrowd"] and "segmentation" not in found:
                x, y, width, height = found["bbox"]
                corners = rectangle(x, y, x + width, y + height)
                found["segmentation"] = [corners.ravel().tolist()]
            wanted = ids.values() if label == EVERY_CLASS else [ids.get(label)]
            for category in wanted:
                if category is None:  # a crowd of a class that has no instances
                    continue
                counter["annotations"] += 1
                yield {
                    "id": counter["annotations"],
                    "image_id": image_id,
                    "category_id": category,
                    **found,
                }
