"""Read the datasets of a report: the annotation files and the places of their images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.datasets.coco.coco_file import parse_coco, read_unnamed
from condinst.datasets.coco.coco_records import CocoFile
from condinst.images.headers import missing_files

__all__ = ["ReportSource", "find_images", "make_source", "read_source"]

_NAMES_TRIED = 20


@dataclass(frozen=True)
class ReportSource:
    """One annotation file with A annotations and N images, in the file's order.

    Attributes:
        name: the name in the report, such as "train".
        file: the annotations; boxes and areas are NaN if an annotation has no usable one.
        images: the folder that the file names start from; None if it was not found.
        allow_box_only: whether objects without a mask are meant: training learns from their boxes.
    """

    name: str
    file: CocoFile
    images: str | None
    allow_box_only: bool = False

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def num_annotations(self) -> int:
        return len(self.file.ann_ids)

    @property
    def no_box(self) -> np.ndarray:
        """Return (A,) bool: whether ``bbox`` is missing or unusable."""
        return np.isnan(self.file.boxes).any(axis=1)

    @property
    def no_area(self) -> np.ndarray:
        """Return (A,) bool: whether ``area`` is missing or unusable."""
        return np.isnan(self.file.areas)

    def mask(self, index: int) -> list[np.ndarray] | dict[str, Any] | None:
        """Return an annotation's polygons (x1, y1, x2, y2, ... each) or RLE; None if unreadable."""
        if index in self.file.rles:
            return self.file.segmentation(index)  # type: ignore[return-value]
        return self.file.polygons(index) or None

    def image_path(self, index: int) -> str:
        """Return the path of the image at ``index``, or its file name if there is no folder."""
        return os.path.join(self.images or "", self.file.file_names[index])

    @property
    def size_of_annotation(self) -> np.ndarray:
        """Return (A, 2) height and width of each annotation's image; NaN if it is unknown."""
        sizes = np.vstack([self.file.sizes, [[np.nan, np.nan]]])
        sizes[sizes < 1] = np.nan
        return sizes[self.file.image_index]

    @property
    def in_sized_image(self) -> np.ndarray:
        """Return (A,) bool: whether the annotation's image is known and has a height and width."""
        return np.isfinite(self.size_of_annotation).all(axis=1)


def read_source(
    path: str,
    images: str | None = None,
    name: str | None = None,
    *,
    allow_box_only: bool = False,
) -> ReportSource:
    """Read an annotation file.

    Args:
        path: the COCO json.
        images: the folder of the images; None looks for it near the file.
        name: the name in the report; by default the file's stem without "instances_".
        allow_box_only: whether objects without a mask are no issue.

    Raises:
        ValueError: the file is missing, is not JSON or has not COCO's layout, or ``images`` is
            not a folder.
    """
    try:
        file = read_unnamed(path, keep_extras=True)
        if images is not None and not os.path.isdir(images):
            raise ValueError(f"expected the folder of its images at {images}, found none")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    folder = images or find_images(path, file.file_names)
    return ReportSource(_name(path, name), file, folder, allow_box_only)


def make_source(
    path: str, data: Any, *, name: str | None = None, images: str | None = None
) -> ReportSource:
    """Make a dataset from the content of a COCO json.

    Raises:
        ValueError: ``data`` has not COCO's layout; the message does not name the file.
    """
    return ReportSource(_name(path, name), parse_coco(path, data, keep_extras=True), images)


def _name(path: str, name: str | None) -> str:
    return name or Path(path).stem.removeprefix("instances_")


def find_images(path: str, file_names: Sequence[str]) -> str | None:
    """Return the folder near an annotation file that holds most of its images, or None.

    The candidates are the file's folder, the folder above, and the subfolders of both. A folder
    above or beside the file must hold half of the images, because other datasets may have a "1.png"
    too. A folder whose name is in the file's name ("val" in "instances_val.json") and that holds
    half of the images goes first, because train and val often number their images alike.
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
