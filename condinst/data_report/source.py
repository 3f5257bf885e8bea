"""The data sets that a report is about: annotation files as they are, and where their pictures lie.

What :func:`condinst.datasets.coco_file.parse_coco` refuses for a single annotation (no box, no
area) is filled with NaN first, so that it can be reported among the other faults.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from condinst.datasets.coco_file import CocoFile, load_json, parse_coco
from condinst.datasets.picture_files import missing_files

__all__ = ["Source", "find_pictures", "make_source", "read_source"]

_NAMES_TRIED = 20


@dataclass(frozen=True)
class Source:
    """One annotation file. A annotations and N pictures, in the file's order."""

    name: str  # in the report: "train"
    file: CocoFile  # boxes and areas are NaN where the annotation has none
    data: dict[str, Any]  # the parsed file; never changed
    pictures: str | None  # folder that the file names start from; None: pictures not looked at
    no_box: np.ndarray  # (A,) bool: `bbox` is missing, or not four numbers
    no_area: np.ndarray  # (A,) bool: `area` is missing, or not a number
    no_crowd: np.ndarray  # (A,) bool: `iscrowd` is missing

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def annotations(self) -> list[dict[str, Any]]:
        return self.data.get("annotations") or []

    def picture_path(self, index: int) -> str:
        """The file of the picture at ``index``, or its bare name where there is no folder."""
        return os.path.join(self.pictures or "", self.file.file_names[index])

    @property
    def size_of_annotation(self) -> np.ndarray:
        """(A, 2) height and width of each annotation's picture; NaN where it has none."""
        sizes = np.vstack([self.file.sizes, [[np.nan, np.nan]]])
        return sizes[self.file.image_index]


def read_source(path: str, pictures: str | None = None, name: str | None = None) -> Source:
    """Read an annotation file.

    Args:
        path: of the COCO json.
        pictures: folder of the pictures; None looks for it beside the file.
        name: in the report; by default the file's stem without "instances_".

    Raises:
        ValueError: naming the file: it is missing, is not JSON or is not COCO's layout.
    """
    try:
        data = load_json(path)
        if pictures is not None and not os.path.isdir(pictures):
            raise ValueError(f"expected the folder of its pictures at {pictures}, found none")
        source = make_source(path, data, name=name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return replace(source, pictures=pictures or find_pictures(path, source.file.file_names))


def make_source(
    path: str, data: Any, *, name: str | None = None, pictures: str | None = None
) -> Source:
    """A data set of what a file holds.

    Raises ValueError, worded to follow the file's name, when it is not COCO's layout.
    """
    filled, broken = _fill(data)
    file = parse_coco(path, filled)
    name = name or Path(path).stem.removeprefix("instances_")
    return Source(name=name, file=file, data=data, pictures=pictures, **broken)


def find_pictures(path: str, file_names: Sequence[str]) -> str | None:
    """The folder near an annotation file that has most of its pictures, or None.

    Looked at are the file's folder, the folder above, and the folders in both; above and beside it,
    a folder has to have half of the pictures, for "1.png" may lie in anyone's. One that the file is
    named after ("val" of "instances_val.json") and that has half of the pictures goes first:
    numbered pictures of train and val often have the same names.
    """
    home = Path(path).absolute().parent
    places = np.linspace(0, len(file_names) - 1, min(len(file_names), _NAMES_TRIED)).astype(int)
    names = [file_names[i] for i in places]
    best, found = None, (False, 0)
    for folder in _near(home):
        count = len(names) - len(missing_files([os.path.join(folder, name) for name in names]))
        in_name = bool(folder.name) and folder.name.lower() in Path(path).stem.lower()
        half = 2 * count >= len(names)
        named = in_name and half
        if count and (half or home in (folder, folder.parent)) and (named, count) > found:
            best, found = str(folder), (named, count)
    return best


def _near(folder: Path) -> list[Path]:
    near = [folder, folder.parent]
    for parent in (folder, folder.parent):
        try:
            near += sorted(child for child in parent.iterdir() if child.is_dir())
        except OSError:
            continue
    return near


def _fill(data: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """``data`` with NaN for each missing box and area, and which annotations lack what.

    What is not a list of dicts is left to ``parse_coco``, which says so.
    """
    annotations = data.get("annotations") if isinstance(data, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        none = np.zeros(0, bool)
        return data, {"no_box": none, "no_area": none, "no_crowd": none}
    no_box = np.array([not _is_box(ann.get("bbox")) for ann in annotations], bool)
    no_area = np.array([not _is_number(ann.get("area")) for ann in annotations], bool)
    no_crowd = np.array(["iscrowd" not in ann for ann in annotations], bool)
    if no_box.any() or no_area.any():
        annotations = list(annotations)
        for i in np.flatnonzero(no_box):
            annotations[i] = annotations[i] | {"bbox": [math.nan] * 4}
        for i in np.flatnonzero(no_area):
            annotations[i] = annotations[i] | {"area": math.nan}
        data = data | {"annotations": annotations}
    return data, {"no_box": no_box, "no_area": no_area, "no_crowd": no_crowd}


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(_is_number(x) for x in value)


def _is_number(value: Any) -> bool:
    kind = type(value)
    return (kind is int or kind is float) and math.isfinite(value)
