"""Write COCO files again, where they cannot be used as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.coco_fixes import broken_rules, fix
from condinst.dataset_converters.coco_parts import CocoPart, CocoSplit
from condinst.dataset_converters.records import DatasetSplit, Notes
from condinst.dataset_converters.write_coco import output_path, write_coco
from condinst.utils.plain import plain, plain_annotation

__all__ = ["CocoWriter"]


class CocoWriter:
    """Write splits again, with one list of categories for all of them."""

    def __init__(self, out: Path, splits: Sequence[CocoSplit], notes: Notes) -> None:
        self._out, self._notes = out, notes
        files = [part.data for split in splits for part in split.parts]
        self._same = len({tuple(data.categories) for data in files}) == 1
        names = dict.fromkeys(str(name) for data in files for _, name in data.categories)
        self._ids = {name: number for number, name in enumerate(names, 1)}
        doubles = _double_categories(files)
        for name, used in doubles.items():
            notes.say(
                f"Several categories have the name {name!r}: "
                + ("their annotations are joined." if used > 1 else "those not used are dropped.")
            )
        if doubles:
            self._same = False
        elif not self._same:
            notes.say(
                "The files number their categories differently: they are written again with all "
                f"{len(names)} names."
            )

    def keep_or_write(self, split: CocoSplit, name: str) -> DatasetSplit:
        """Return the split as it is if training can use it; else write it again."""
        kept = self._same and split.unchanged and not broken_rules(split.parts[0].data)
        if not kept:
            return self.write(split, name, None)
        return DatasetSplit(
            split.path, split.img_dir, split.num_images, split.num_annotations, split.path
        )

    def write(self, split: CocoSplit, name: str, chosen: set[int] | None) -> DatasetSplit:
        """Write the chosen images of a split (None: all that exist) as the split ``name``."""
        kept, start = [], 0
        for part, found in zip(split.parts, split.found, strict=True):
            numbers = range(start, start + len(found))
            start = numbers.stop
            here = None if chosen is None else {i - numbers.start for i in chosen if i in numbers}
            kept.append(self._choose(part, found, here))
        first = split.parts[0].data
        categories = plain(first.category_entries)
        if not self._same:
            categories = [{"id": number, "name": text} for text, number in self._ids.items()]
        path = output_path(self._out, name)
        head = {key: plain(first.head[key]) for key in ("info", "licenses") if key in first.head}
        renumbered = len(kept) > 1
        write_coco(
            path,
            images=_renumbered(kept) if renumbered else kept[0].images(),
            annotations=self._joined(kept) if renumbered else self._annotations(kept[0]),
            categories=categories,
            head=head,
        )
        return DatasetSplit(
            path,
            split.img_dir,
            sum(len(part.used) for part in kept),
            sum(len(part.annotations) for part in kept),
            split.path,
        )

    def _choose(self, part: CocoPart, found: list[str | None], chosen: set[int] | None) -> _Kept:
        data = part.data
        there = (data.image_index >= 0) & (data.category_index >= 0)
        fixed, lost = self._fix(part, there, chosen)
        used = [
            index
            for index, file_name in enumerate(found)
            if file_name is not None and (chosen is None or index in chosen) and index not in lost
        ]
        there &= np.isin(data.image_index, used)
        return _Kept(data, found, used, np.flatnonzero(there).tolist(), fixed)

    def _fix(
        self, part: CocoPart, there: np.ndarray, chosen: set[int] | None
    ) -> tuple[dict[int, dict[str, Any]], set[int]]:
        """Return what is written instead of broken annotations, and the images without remedy.

        Those annotations leave ``there``. An image of which nothing is left would be learned as
        one without objects.
        """
        data, fixed = part.data, dict[int, dict[str, Any]]()
        unknown = (data.image_index >= 0) & (data.category_index < 0)
        touched = set(data.image_index[unknown].tolist())
        for i, rules in sorted(broken_rules(data).items()):
            place = int(data.image_index[i])
            if not there[i] or (chosen is not None and place not in chosen):
                continue
            image = data.images[place]
            entry = plain_annotation(data.annotation(i))
            made = fix(entry, rules, int(image["height"]), int(image["width"]))
            what = "that cannot be used, left out" if made is None else f"fixed ({made[1]})"
            self._notes.count(f"Annotations of {part.path} {what}", f"id {data.ann_ids[i]}")
            if made is None:
                there[i] = False
                touched.add(place)
            else:
                fixed[i] = made[0]
        if chosen is not None:
            touched &= chosen
        lost = touched - set(data.image_index[there].tolist())
        for place in sorted(lost):
            what = "Images whose annotations cannot be used, left out"
            self._notes.count(what, data.file_names[place])
        return fixed, lost

    def _annotations(self, kept: _Kept) -> Iterator[dict[str, Any]]:
        data = kept.data
        for index in kept.annotations:
            found = kept.fixed.get(index) or plain_annotation(data.annotation(index))
            if not self._same:
                found["category_id"] = self._ids[
                    str(data.categories[data.category_index[index]][1])
                ]
            yield found

    def _joined(self, parts: Sequence[_Kept]) -> Iterator[dict[str, Any]]:
        """Yield the annotations of several files with new ids."""
        images = annotations = 0
        for kept in parts:
            numbers = {index: images + n for n, index in enumerate(kept.used, 1)}
            images += len(numbers)
            for index, found in zip(kept.annotations, self._annotations(kept), strict=True):
                annotations += 1
                image = numbers[int(kept.data.image_index[index])]
                yield found | {"id": annotations, "image_id": image}


@dataclass(frozen=True)
class _Kept:
    """The images and annotations of one file that are written."""

    data: Any  # CocoFile
    found: list[str | None]  # the images' file names
    used: list[int]  # indices of images
    annotations: list[int]  # indices
    fixed: dict[int, dict[str, Any]]  # instead of broken annotations

    def images(self) -> Iterator[dict[str, Any]]:
        for index in self.used:
            yield plain({**self.data.images[index], "file_name": self.found[index]})


def _renumbered(parts: Sequence[_Kept]) -> Iterator[dict[str, Any]]:
    """Yield the images of several files with new ids."""
    every = (image for kept in parts for image in kept.images())
    for number, image in enumerate(every, 1):
        yield image | {"id": number}


def _double_categories(files: Sequence[Any]) -> dict[str, int]:
    """Return each name that several categories of a file have -> how many of them are used."""
    found: dict[str, int] = {}
    for data in files:
        names = [str(name) for _, name in data.categories]
        used = Counter(names[i] for i in set(data.category_index.tolist()) if i >= 0)
        for name, count in Counter(names).items():
            if count > 1:
                found[name] = max(found.get(name, 0), used[name])
    return found
