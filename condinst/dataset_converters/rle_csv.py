"""Read Kaggle's csv of RLEs: one row per object, runs as ``start length start length ...``.

Starts count from 1. Most competitions number the pixels down the columns (Data Science Bowl 2018,
Airbus ships, Severstal, iMaterialist), some along the rows (Sartorius, UW-Madison): where the image
is not square, the runs themselves tell which.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from condinst.dataset_converters.csv_files import csv_columns, csv_head, read_csv
from condinst.dataset_converters.folder import Folder, stated_split
from condinst.dataset_converters.image_sizes import image_size
from condinst.dataset_converters.named_images import missing_image
from condinst.dataset_converters.outlines import check_label, label_map_rles, mask_rle, rle_object
from condinst.dataset_converters.records import ONE_CLASS, AnnotationSource, ImageRecord, Notes
from condinst.dataset_converters.rle_scan import Scan, first_number
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["find_rle_csv", "read_rle_csv"]

_IDS = (
    "imageid",
    "image_id",
    "id",
    "image",
    "img",
    "filename",
    "file_name",
    "image_name",
    "img_id",
)
_BOTH = ("imageid_classid", "image_label", "image_class", "imageid_class")  # a.jpg_3
_RLES = ("encodedpixels", "encoded_pixels", "annotation", "rle", "rle_mask", "segmentation", "mask")
_CLASSES = (
    "classid",
    "class_id",
    "class",
    "cell_type",
    "label",
    "category",
    "category_id",
    "class_name",
)
_SPLITS = ("split", "set", "subset")
_BY_ROWS = ("annotation", "segmentation")  # the columns of Sartorius and UW-Madison
_NOTHING = ("", "-1", "nan", "none", "null")


@dataclass(frozen=True)
class _RleRow:
    where: str  # for messages: the file and the line
    label: str
    runs: np.ndarray  # (N, 2) starts and lengths; empty where the image has no object


def find_rle_csv(folder: Folder) -> list[str]:
    """Return the csv files with a column of ids and one of RLEs, relative to the folder."""
    found = [f for f in folder.with_suffix(".csv", ".tsv") if _has_rles(folder.root / f)]
    real = [f for f in found if not os.path.basename(f).startswith("sample_submission")]
    return real or found


def _has_rles(path: Path) -> bool:
    """Tell whether a file has a column of ids, and one whose values are numbers with spaces."""
    header, *rows = csv_head(path) or [[]]
    places = csv_columns(header)
    if not places.keys() & {*_IDS, *_BOTH}:
        return False
    column = next((places[name] for name in _RLES if name in places), None)
    if column is None:
        return False
    values = [row[column].strip() for row in rows if len(row) > column]
    named = "pixels" in header[column].lower() or "rle" in header[column].lower()
    return any(re.match(r"\d+\s+\d+(\s|$)", value) for value in values) or named


def read_rle_csv(
    folder: Folder, files: Sequence[str], asked: str | None, notes: Notes
) -> AnnotationSource:
    """Read csv files of RLEs.

    Raises:
        ValueError: a file is broken, an RLE does not fit its image, or rows may be whole classes.
    """
    images: dict[str, list[_RleRow]] = {}
    splits: dict[str, str] = {}
    column = ""
    for file in files:
        column = _read_rows(folder, file, images, splits, notes)
    sizes = {name: image_size(folder.root / name) for name in images}
    by_rows = _numbered_by_rows(images, sizes, column, notes)
    first = first_number([(r.runs, sizes[n]) for n, rs in images.items() for r in rs], by_rows)
    notes.say(first.sentence)
    scan = Scan(by_rows, first.number)
    pieces = asked in ("classes", "binary")
    if asked is None:
        _check_rows(folder, images, sizes, scan)
    what = "each connected piece of a row" if pieces else "each row"
    notes.say(f"In the csv, {what} is one instance.")
    return AnnotationSource(
        "rle-csv", _read_all(folder, images, splits, sizes, scan, pieces, notes), None
    )


def _read_rows(
    folder: Folder,
    file: str,
    images: dict[str, list[_RleRow]],
    splits: dict[str, str],
    notes: Notes,
) -> str:
    """Add the rows of a file to those of their images; returns the name of the RLEs' column.

    The images whose rows name a split are added to ``splits``.
    """
    path = folder.root / file
    header, rows = read_csv(path)
    places = csv_columns(header)
    both = next((places[name] for name in _BOTH if name in places), None)
    key = next((places[name] for name in _IDS if name in places), both)
    column = next((name for name in _RLES if name in places), None)
    kind = next((places[name] for name in _CLASSES if name in places and places[name] != key), None)
    if key is None or column is None:
        raise ValueError(
            f"{path}: expected a column of ids, such as ImageId, and one of RLEs, such as "
            f"EncodedPixels, got {short_repr(header)}"
        )
    set_of = next((places[name] for name in _SPLITS if name in places), None)
    last = max(p for p in (key, places[column], kind, set_of) if p is not None)
    known: dict[str, str | None] = {}
    for line, row in rows:
        if len(row) <= last:
            raise ValueError(f"{path}: line {line}: expected {len(header)} values, got {len(row)}")
        stated, label = row[key].strip(), row[kind].strip() if kind is not None else ONE_CLASS
        if both is not None and key == both:
            stated, _, label = stated.rpartition("_")
        if not stated or not check_label(stated):
            raise ValueError(
                f"{path}: line {line}: expected an image's id, got {short_repr(stated)}"
            )
        if stated not in known:
            known[stated] = _image(folder, file, stated)
        name = known[stated]
        if name is None:
            notes.miss("Entries whose image is missing, left out", stated)
            continue
        split = stated_split(row[set_of]) if set_of is not None else None
        if split is not None and splits.setdefault(name, split) != split:
            raise ValueError(
                f"{path}: line {line}: the image {name} is in the splits {splits[name]} and {split}"
            )
        runs = _runs(row[places[column]], f"{path}: line {line}")
        found = images.setdefault(name, [])
        if not len(runs):
            continue
        if not label or not check_label(label):
            raise ValueError(f"{path}: line {line}: expected a class, got {short_repr(label)}")
        if kind is not None or both is not None:
            label = f"class_{label}" if label.isdigit() else label
        found.append(_RleRow(f"{path}: line {line}", label, runs))
    return column


def _image(folder: Folder, file: str, stated: str) -> str | None:
    """Return the image of an id, with or without its suffix, in any folder."""
    if name := folder.find_image(stated, os.path.dirname(file)):
        return name
    found = folder.images_of_stem(stated)
    # the bowl has masks of other names beside the image
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        listed = ", ".join(found[:3])
        raise ValueError(f"{folder.root / file}: the image {stated!r} may be any of {listed}")
    if why := missing_image(folder, stated):
        raise ValueError(f"{folder.root / file}: {why}")
    return None


def _runs(text: str, where: str) -> np.ndarray:
    """Return (N, 2) starts, as written, and lengths."""
    if text.strip().lower() in _NOTHING:
        return np.zeros((0, 2), np.int64)
    try:
        numbers = np.array([int(word) for word in text.split()], np.int64)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{where}: expected an RLE, start length start length ..., got {short_repr(text)}"
        ) from None
    if len(numbers) % 2:
        raise ValueError(f"{where}: expected pairs of start and length, got {len(numbers)} numbers")
    runs = numbers.reshape(-1, 2)
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    ends = runs[:, 0] + runs[:, 1]
    if len(runs) and (runs[:, 0].min() < 0 or runs[:, 1].min() < 1 or ends.max() > 1 << 40):
        raise ValueError(f"{where}: expected starts and lengths of at least 1")
    if (runs[1:, 0] < ends[:-1]).any():
        raise ValueError(f"{where}: expected runs that do not overlap")
    return runs


def _numbered_by_rows(
    images: dict[str, list[_RleRow]], sizes: dict[str, tuple[int, int]], column: str, notes: Notes
) -> bool:
    """Tell whether pixels are numbered along the rows: there, next runs are a width apart."""
    fits: Counter[str] = Counter()
    for name, rows in images.items():
        height, width = sizes[name]
        for runs in [row.runs for row in rows if height != width]:
            gaps, longest = np.diff(runs[:, 0]), np.maximum(runs[1:, 1], runs[:-1, 1])
            fits["columns"] += int((np.abs(gaps - height) <= longest).sum())
            fits["rows"] += int((np.abs(gaps - width) <= longest).sum())
    by_rows = column in _BY_ROWS
    why = f"the name of the column {column!r}"
    if fits["rows"] != fits["columns"]:
        by_rows, why = fits["rows"] > fits["columns"], "the shapes of the masks"
    order = "along the rows" if by_rows else "down the columns"
    notes.say(f"The RLEs number the pixels {order}, by {why}.")
    return by_rows


def _check_rows(
    folder: Folder,
    images: dict[str, list[_RleRow]],
    sizes: dict[str, tuple[int, int]],
    scan: Scan,
) -> None:
    """Ask where rows may be whole classes: each class once in an image, in several pieces."""
    import cv2

    pairs = Counter((name, row.label) for name, rows in images.items() for row in rows)
    if not pairs or max(pairs.values()) > 1:
        return
    rows = [(name, row) for name, found in images.items() for row in found][:300]
    several = 0
    for name, row in rows:
        number, _ = cv2.connectedComponents(_mask(row, sizes[name], scan))
        several += number > 2
    if several > 1 and several >= 0.25 * len(rows):
        raise ValueError(
            f"{folder.root}: each class has one row in an image, and {several} of {len(rows)} rows "
            "lie in several pieces: use --masks classes if each piece is one object, or --masks "
            "instances if each row is one"
        )


def _mask(row: _RleRow, size: tuple[int, int], scan: Scan) -> np.ndarray:
    """Return the (H, W) uint8 mask of a row."""
    height, width = size
    starts = row.runs[:, 0] - scan.first
    ends = starts + row.runs[:, 1]
    if ends[-1] > height * width:
        raise ValueError(
            f"{row.where}: the RLE ends at pixel {ends[-1]}, its image of {width} x {height} has "
            f"{height * width}"
        )
    steps = np.zeros(height * width + 1, np.int8)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    flat = np.cumsum(steps[:-1], dtype=np.int8).astype(np.uint8)
    return flat.reshape(height, width) if scan.by_rows else flat.reshape(width, height).T.copy()


def _read_all(
    folder: Folder,
    images: dict[str, list[_RleRow]],
    splits: dict[str, str],
    sizes: dict[str, tuple[int, int]],
    scan: Scan,
    pieces: bool,
    notes: Notes,
) -> Iterator[ImageRecord]:
    import cv2

    for name, rows in sorted(images.items()):
        size = sizes[name]
        objects = []
        for row in rows:
            if pieces:
                _, parts = cv2.connectedComponents(_mask(row, size, scan))
                rles = list(label_map_rles(parts.astype(np.int64)).values())
            else:
                rles = [mask_rle(_mask(row, size, scan))]
            objects += [found for rle in rles if (found := rle_object(row.label, rle)) is not None]
        if not objects:
            notes.count("Images without objects, kept as negatives", name)
        split = splits.get(name) or stated_split(os.path.dirname(name))
        yield ImageRecord(folder.root / name, *size, objects, split)
    for name in folder.images:
        if name not in images:
            notes.count("Images that the csv does not name, left out", name)
