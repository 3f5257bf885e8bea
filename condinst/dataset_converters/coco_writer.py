"""Write COCO files again, where they cannot be used as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.coco_fixes import broken_rules, fix
from condinst.dataset_converters.records import DatasetSplit, Notes
from condinst.dataset_converters.split import Sample
from condinst.dataset_converters.write_coco import output_path, write_coco
from condinst.utils.plain import plain, plain_annotation

__all__ = ["CocoSplit", "CocoWriter"]


@dataclass
class CocoSplit:
    """One annotation file and the places of its N images."""

    name: str  # train, val or test; "" for the only file of a dataset without splits
    path: Path
    data: Any  # CocoFile
    img_dir: Path
    found: list[str | None]  # N file names relative to img_dir; None for a missing image
    unchanged: bool  # every image is at the file_name of the json
    samples: list[Sample | None]  # N; None for a missing image


class CocoWriter:
    """Write splits again, with one list of categories for all of them."""

    def __init__(self, out: Path, splits: Sequence[CocoSplit], notes: Notes) -> None:
        self._out, self._notes = out, notes
        self._same = len({tuple(split.data.categories) for split in splits}) == 1
        names = dict.fromkeys(str(name) for split in splits for _, name in split.data.categories)
        self._ids = {name: number for number, name in enumerate(names, 1)}
        doubles = _double_categories(splits)
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
        if not (self._same and split.unchanged) or broken_rules(split.data):
            return self.write(split, name, None)
        return DatasetSplit(
            split.path,
            split.img_dir,
            len(split.data.image_ids),
            len(split.data.ann_ids),
            split.path,
        )

    def write(self, split: CocoSplit, name: str, chosen: set[int] | None) -> DatasetSplit:
        """Write the chosen images of a split (None: all that exist) as the split ``name``."""
        data = split.data
        there = (data.image_index >= 0) & (data.category_index >= 0)
        fixed, lost = self._fix(split, there, chosen)
        used = [
            index
            for index, file_name in enumerate(split.found)
            if file_name is not None and (chosen is None or index in chosen) and index not in lost
        ]
        images = [plain({**data.images[i], "file_name": split.found[i]}) for i in used]
        there &= np.isin(data.image_index, used)
        kept = np.flatnonzero(there).tolist()
        categories = plain(data.category_entries)
        if not self._same:
            categories = [{"id": number, "name": text} for text, number in self._ids.items()]
        path = output_path(self._out, name)
        head = {key: plain(data.head[key]) for key in ("info", "licenses") if key in data.head}
        annotations = (self._annotation(data, i, fixed.get(i)) for i in kept)
        write_coco(path, images=images, annotations=annotations, categories=categories, head=head)
        return DatasetSplit(path, split.img_dir, len(images), len(kept), split.path)

    def _fix(
        self, split: CocoSplit, there: np.ndarray, chosen: set[int] | None
    ) -> tuple[dict[int, dict[str, Any]], set[int]]:
        """Return what is written instead of broken annotations, and the images without remedy.

        Those annotations leave ``there``. An image of which nothing is left would be learned as
        one without objects.
        """
        data, fixed = split.data, dict[int, dict[str, Any]]()
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
            self._notes.count(f"Annotations of {split.path} {what}", f"id {data.ann_ids[i]}")
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

    def _annotation(self, data: Any, index: int, fixed: dict[str, Any] | None) -> dict[str, Any]:
        found = fixed or plain_annotation(data.annotation(index))
        if not self._same:
            found["category_id"] = self._ids[data.categories[data.category_index[index]][1]]
        return found


def _double_categories(splits: Sequence[CocoSplit]) -> dict[str, int]:
    """Return each name that several categories of a file have -> how many of them are used."""
    found: dict[str, int] = {}
    for split in splits:
        names = [str(name) for _, name in split.data.categories]
        used = Counter(names[i] for i in set(split.data.category_index.tolist()) if i >= 0)
        for name, count in Counter(names).items():
            if count > 1:
                found[name] = max(found.get(name, 0), used[name])
    return found
