"""A COCO json read once: its columns as arrays, and what is wrong with it whoever uses it."""

import gc
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from condinst.rle import checked_rle

__all__ = [
    "CocoFile",
    "Segmentation",
    "first_few",
    "load_json",
    "parse_coco",
    "read_coco_file",
]

RLE_SAMPLE = 5000  # run-length codes unpacked per file; every code's size is checked


class Segmentation(IntEnum):
    """How an annotation stores its mask."""

    NONE = 0
    POLYGONS = 1
    SOME_DEGENERATE = 2  # at least one polygon is usable
    DEGENERATE = 3  # no polygon of 3 points or more with an even count of numbers
    RLE = 4
    UNCOMPRESSED_RLE = 5
    MALFORMED = 6


_SOUND = (Segmentation.POLYGONS, Segmentation.RLE, Segmentation.UNCOMPRESSED_RLE)


@dataclass(frozen=True)
class CocoFile:
    """The columns of a COCO json. N pictures, A annotations, in the file's order."""

    path: str
    problems: list[str]
    categories: list[tuple[Any, str]]  # (id, name)
    image_ids: list[Any]  # N
    file_names: list[str]  # N
    sizes: np.ndarray  # (N, 2) height, width
    has_annotations: bool
    ann_ids: list[Any] = field(default_factory=list)  # A
    image_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # -1: no picture
    category_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # -1: none
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))  # x, y, width, height
    areas: np.ndarray = field(default_factory=lambda: np.zeros(0))
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    ignore: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    segmentations: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    breaks_segm_ap: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def first_few(items: Iterable[Any], limit: int = 5) -> str:
    """``a, b, c, ... (12 in all)``"""
    items = list(items)
    text = ", ".join(str(item) for item in items[:limit])
    return text if len(items) <= limit else f"{text}, ... ({len(items)} in all)"


def read_coco_file(path: str) -> CocoFile:
    """Read and look through the annotation file at ``path``.

    Faults that leave the rest readable are listed in ``problems``. Raises ValueError, worded to
    follow the file's name, when the file is missing, is not JSON or is not COCO's layout.
    """
    return parse_coco(path, load_json(path))


def parse_coco(path: str, data: Any) -> CocoFile:
    """The same for what :func:`load_json` has read from ``path``."""
    if not isinstance(data, dict):
        raise ValueError(f"not COCO's layout: the top level is a {type(data).__name__}, not a dict")
    missing = [key for key in ("images", "categories") if not isinstance(data.get(key), list)]
    if missing:
        raise ValueError(
            f"not COCO's layout: needs a list under each of the keys images, annotations and "
            f"categories; {' and '.join(missing)} not there (keys: {first_few(data, 8)})"
        )
    images, categories = data["images"], data["categories"]
    annotations = data.get("annotations")
    _require(images, "images", ("id", "file_name", "height", "width"))
    _require(categories, "categories", ("id", "name"))
    columns: dict[str, Any] = {
        "categories": [(category["id"], category["name"]) for category in categories],
        "image_ids": [image["id"] for image in images],
        "file_names": [str(image["file_name"]) for image in images],
        "sizes": _numbers(images, "images", lambda i: (i["height"], i["width"]), (2,)),
    }
    problems = [
        *_repeated(columns["image_ids"], "images"),
        *_repeated([category_id for category_id, _ in columns["categories"]], "categories"),
    ]
    flat = [i for i, size in zip(images, columns["sizes"], strict=True) if size.min() < 1]
    if flat:
        problems.append(
            f"{len(flat)} pictures with a height or width below 1: ids "
            f"{first_few(image['id'] for image in flat)}"
        )
    if isinstance(annotations, list):
        columns |= _annotation_columns(annotations, columns, problems)
    return CocoFile(path, problems, has_annotations=isinstance(annotations, list), **columns)


def load_json(path: str) -> Any:
    """What a large JSON file holds. Raises ValueError, worded to follow the file's name."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        found = "not found" if isinstance(error, FileNotFoundError) else f"not readable: {error}"
        raise ValueError(f"file {found}") from None
    collecting = gc.isenabled()
    gc.disable()  # millions of small objects, none of them garbage: half the time of parsing
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} at line {error.lineno} column {error.colno} (character "
            f"{error.pos} of {len(data)})"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    finally:
        if collecting:
            gc.enable()


def _require(entries: list, name: str, keys: tuple[str, ...]) -> None:
    """Raise ValueError unless each entry is a dict with ``keys``."""
    wanted = set(keys)
    for number, entry in enumerate(entries):
        if not (isinstance(entry, dict) and wanted <= entry.keys()):
            got = sorted(entry) if isinstance(entry, dict) else entry
            raise ValueError(
                f"not COCO's layout: {name}[{number}] needs the keys {', '.join(keys)}, got "
                f"{str(got)[:200]}"
            )


def _numbers(entries: list, name: str, get: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers that ``get`` takes from each entry as float64, or ValueError naming the first
    entry that has others."""
    try:
        return np.array([get(entry) for entry in entries], np.float64).reshape(-1, *shape)
    except (TypeError, ValueError):
        for entry in entries:
            try:
                np.array(get(entry), np.float64).reshape(shape)
            except (TypeError, ValueError):
                raise ValueError(
                    f"not COCO's layout: {name}, id {entry['id']}: expected "
                    f"{shape[0] if shape else 1} number(s), got {get(entry)!r}"
                ) from None
        raise


def _repeated(ids: Sequence[Any], name: str) -> list[str]:
    if len(set(ids)) == len(ids):
        return []
    twice = [key for key, count in Counter(ids).items() if count > 1]
    return [f"{name}: ids used more than once: {first_few(twice)}"]


def _annotation_columns(
    annotations: list[dict], columns: dict[str, Any], problems: list[str]
) -> dict[str, Any]:
    _require(annotations, "annotations", ("id", "image_id", "category_id", "bbox", "area"))
    place = {image_id: index for index, image_id in enumerate(columns["image_ids"])}
    ids = [ann["id"] for ann in annotations]
    problems += _repeated(ids, "annotations")
    index = np.array([place.get(ann["image_id"], -1) for ann in annotations], np.int64)
    category_place = {pair[0]: index for index, pair in enumerate(columns["categories"])}
    category_index = np.array([category_place.get(a["category_id"], -1) for a in annotations], int)
    for lost, of_what in ((index < 0, "picture"), (category_index < 0, "category")):
        if lost.any():
            problems.append(
                f"{lost.sum()} annotations point to a {of_what} id that the file does not have: "
                f"annotation ids {first_few(ids[i] for i in np.flatnonzero(lost))}"
            )
    masks = [ann.get("segmentation") for ann in annotations]
    kinds = np.array([_kind(mask) for mask in masks], np.uint8)
    breaks = np.zeros(len(masks), bool)
    for i in np.flatnonzero(~np.isin(kinds, _SOUND)):
        breaks[i] = _breaks_segm_ap(masks[i], kinds[i])
    problems += _mask_problems(ids, masks, kinds, index, columns["sizes"])
    return {
        "ann_ids": ids,
        "image_index": index,
        "category_index": category_index,
        "boxes": _numbers(annotations, "annotations", lambda ann: ann["bbox"], (4,)),
        "areas": _numbers(annotations, "annotations", lambda ann: ann["area"], ()),
        "crowd": np.array([bool(ann.get("iscrowd")) for ann in annotations], bool),
        "ignore": np.array([bool(ann.get("ignore")) for ann in annotations], bool),
        "segmentations": kinds,
        "breaks_segm_ap": breaks,
    }


def _kind(mask: Any) -> Segmentation:
    if not mask:
        return Segmentation.NONE
    if isinstance(mask, dict):
        uncompressed = isinstance(mask.get("counts"), list)
        return Segmentation.UNCOMPRESSED_RLE if uncompressed else Segmentation.RLE
    if not isinstance(mask, list):
        return Segmentation.MALFORMED
    degenerate = 0
    for polygon in mask:
        if not isinstance(polygon, list):
            return Segmentation.MALFORMED
        degenerate += len(polygon) < 6 or len(polygon) % 2
    if not degenerate:
        return Segmentation.POLYGONS
    return Segmentation.SOME_DEGENERATE if degenerate < len(mask) else Segmentation.DEGENERATE


def _breaks_segm_ap(mask: Any, kind: int) -> bool:
    """pycocotools decides by the first polygon, and fails on one of up to four numbers."""
    if kind in (Segmentation.DEGENERATE, Segmentation.SOME_DEGENERATE):
        return len(mask[0]) <= 4
    return kind in (Segmentation.NONE, Segmentation.MALFORMED)


def _mask_problems(
    ids: list[Any], masks: list[Any], kinds: np.ndarray, index: np.ndarray, sizes: np.ndarray
) -> list[str]:
    problems = []
    malformed = np.flatnonzero(kinds == Segmentation.MALFORMED)
    if malformed.size:
        problems.append(
            f"{malformed.size} annotations whose segmentation is neither RLE (a dict) nor a list "
            f"of polygons [[x1, y1, x2, y2, ...]]: ids {first_few(ids[i] for i in malformed)}"
        )
    codes = np.flatnonzero((kinds >= Segmentation.RLE) & (kinds != Segmentation.MALFORMED))
    codes = codes[index[codes] >= 0]
    step = max(1, -(-codes.size // RLE_SAMPLE))
    sample = set(codes[::step].tolist())
    wrong: list[tuple[Any, str]] = []
    for i in codes.tolist():
        height, width = (int(x) for x in sizes[index[i]])
        if i not in sample and masks[i].get("size") == [height, width]:
            continue
        try:
            checked_rle(masks[i], height, width)
        except ValueError as error:
            wrong.append((ids[i], str(error)))
    if wrong:
        problems.append(
            f"{len(wrong)} annotations with a malformed RLE"
            + (f" ({len(sample)} of {codes.size} codes unpacked)" if step > 1 else "")
            + ": "
            + "; ".join(f"id {ann_id}: {reason}" for ann_id, reason in wrong[:3])
        )
    return problems
