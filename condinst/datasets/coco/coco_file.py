"""Read COCO files into typed records, with the issues that matter to every use of the file.

A file is read once, entry by entry. Numbers go into arrays, so neither its text nor its lists are
in memory as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from condinst.datasets.coco.coco_content import find_content_issues
from condinst.datasets.coco.coco_entries import AnnotationColumns
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.entry_issues import first_few, short_repr, summarize
from condinst.datasets.coco.images_and_categories import read_categories, read_images
from condinst.datasets.coco.json_stream import JsonStream, naming, open_json, without_gc

__all__ = ["parse_coco", "read_coco_file", "read_unnamed"]

_LISTS = ("images", "categories", "annotations")


def read_coco_file(
    path: str,
    *,
    keep_extras: bool = False,
    sizes: Mapping[int, tuple[int, int]] | None = None,
) -> CocoFile:
    """Read and check the annotation file at ``path``.

    Args:
        path: the COCO json.
        keep_extras: keep the keys that are needed only to write the file again.
        sizes: index of an image -> height and width that are used instead of the file's.

    Returns:
        The records; problems that leave them readable are listed in ``problems``.

    Raises:
        ValueError: the file is missing, is not JSON or has not COCO's layout, or one of its
            images or categories is unusable.
    """
    with naming(path):
        return read_unnamed(path, keep_extras=keep_extras, sizes=sizes)


def read_unnamed(
    path: str,
    *,
    keep_extras: bool = False,
    sizes: Mapping[int, tuple[int, int]] | None = None,
) -> CocoFile:
    """Read like :func:`read_coco_file`, for callers whose own message names the file.

    Raises:
        ValueError: as there, without the file's name.
    """
    columns = AnnotationColumns([], keep_extras)
    with without_gc(), open_json(path) as stream:
        top = _read_top(stream, columns)
        keyed = _take_values(top, columns)
        file = _make(path, top, columns, keep_extras, sizes)
    if keyed:
        file.fixes.append("annotations are written as id: annotation, read as a list of them")
    if stream.repeated_keys:
        file.fixes.append(
            f"{stream.repeated_keys} keys are repeated in their entry: the last one counts"
        )
    return file


def parse_coco(path: str, data: Any, *, keep_extras: bool = False) -> CocoFile:
    """Check the content of a COCO json, as :func:`read_coco_file` does for the file ``path``."""
    columns = AnnotationColumns([], keep_extras)
    with without_gc():
        if isinstance(data, dict) and isinstance(data.get("annotations"), list):
            for entry in data["annotations"]:
                columns.add(entry)
        return _make(path, data, columns, keep_extras)


def _read_top(stream: JsonStream, columns: AnnotationColumns) -> Any:
    """Return the top level of a file; its annotations are read into ``columns``."""
    if stream.peek() != "{":
        kind = type(stream.value()).__name__
        stream.end()
        raise ValueError(f"not COCO's layout: the top level is a {kind}, not a dict")
    top: dict[str, Any] = {}
    for key in stream.members():
        if key in _LISTS and key in top:
            raise ValueError(f"not COCO's layout: the key {key} is given twice")
        if key == "annotations" and stream.peek() == "[":
            for entry in stream.entries():
                columns.add(entry)
            top[key] = []
        else:
            top[key] = stream.value()
    stream.end()
    return top


def _take_values(top: Any, columns: AnnotationColumns) -> bool:
    """Read annotations that are given as id: annotation, as in LIVECell's files of one kind."""
    found = top.get("annotations") if isinstance(top, dict) else None
    if not found or not isinstance(found, dict):
        return False
    if not all(isinstance(entry, dict) for entry in found.values()):
        return False
    for entry in found.values():
        columns.add(entry)
    top["annotations"] = []
    return True


def _make(
    path: str,
    top: Any,
    columns: AnnotationColumns,
    keep_extras: bool,
    sizes: Mapping[int, tuple[int, int]] | None = None,
) -> CocoFile:
    if not isinstance(top, dict):
        kind = type(top).__name__
        raise ValueError(f"not COCO's layout: the top level is a {kind}, not a dict")
    missing = [key for key in ("images", "categories") if not isinstance(top.get(key), list)]
    if missing:
        raise ValueError(
            "not COCO's layout: expected a list under each of the keys images, annotations and "
            f"categories; found none under {' and '.join(missing)} (keys: {first_few(top, 8)})"
        )
    annotations = top.get("annotations")
    if annotations is not None and not isinstance(annotations, list):
        raise ValueError(
            f"not COCO's layout: annotations: expected a list, got {short_repr(annotations)}"
        )
    issues = columns.issues
    images = read_images(top["images"], issues, sizes)
    categories = read_categories(top["categories"], issues)
    columns.finish()
    made: dict[str, Any] = {
        "categories": [(category["id"], category["name"]) for category in categories],
        "image_ids": [image["id"] for image in images],
        "file_names": [image["file_name"] for image in images],
        "sizes": np.array([(i["height"], i["width"]) for i in images], np.int64).reshape(-1, 2),
    }
    problems = _problems_of_ids(made, columns.ids)
    arrays = _arrays(columns, made)
    file = CocoFile(
        path,
        problems,
        has_annotations=annotations is not None,
        issues=issues,
        images=images,
        category_entries=categories,
        head={k: v for k, v in top.items() if k not in _LISTS} if keep_extras else {},
        rles=columns.rles,
        unknown=columns.unknown,
        extras=columns.extras,
        **made,
        **arrays,
    )
    problems += _problems_of_references(file)
    problems += find_content_issues(file)
    problems += summarize(issues, fixed=False)
    file.fixes.extend(summarize(issues, fixed=True))
    return file


def _arrays(columns: AnnotationColumns, made: dict[str, Any]) -> dict[str, Any]:
    categories = [key for key, _ in made["categories"]]
    return {
        "ann_ids": columns.ids,
        "image_index": _places(columns, columns.image_ids, made["image_ids"], "image_id"),
        "category_index": _places(columns, columns.category_ids, categories, "category_id"),
        "boxes": np.array(columns.boxes, np.float64).reshape(-1, 4),
        "areas": np.array(columns.areas, np.float64),
        "crowd": np.array(columns.crowd, bool),
        "no_crowd": np.array(columns.no_crowd, bool),
        "ignore": np.array(columns.ignore, bool),
        "segmentations": np.array(columns.kinds, np.uint8),
        "breaks_segm_ap": np.array(columns.breaks, bool),
        "coordinates": np.frombuffer(columns.coordinates, np.float64),
        "polygon_ends": np.frombuffer(columns.polygon_ends, np.int64),
        "last_polygons": np.frombuffer(columns.last_polygons, np.int64),
    }


def _places(
    columns: AnnotationColumns, references: Sequence[Any], ids: Sequence[Any], key: str
) -> np.ndarray:
    """Return the index of each id that annotations refer to; 5 and "5" are the same id."""
    place = {value: index for index, value in enumerate(ids)}
    found = [place.get(reference, -1) for reference in references]
    for i, reference in enumerate(references):
        if found[i] >= 0 or reference is None:
            continue
        other = str(reference) if type(reference) is int else _whole(reference)
        if other in place:
            found[i] = place[other]
            columns.issue("id", f"{key} {reference!r}", i, fixed=True)
        else:
            columns.unknown[key, i] = reference
    return np.array(found, np.int64)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _problems_of_ids(made: dict[str, Any], ann_ids: Sequence[Any]) -> list[str]:
    return [
        *_repeated(made["image_ids"], "images"),
        *_repeated([category_id for category_id, _ in made["categories"]], "categories"),
        *_repeated(ann_ids, "annotations"),
    ]


def _repeated(ids: Sequence[Any], name: str) -> list[str]:
    if len(set(ids)) == len(ids):
        return []
    twice = [key for key, count in Counter(ids).items() if count > 1]
    return [f"{name}: ids used more than once: {first_few(twice)}"]


def _problems_of_references(file: CocoFile) -> list[str]:
    """Return problems of annotations whose image or category the file does not have."""
    named: dict[str, set[int]] = {rule: set() for rule in ("image_id", "category_id", "keys")}
    for issue in file.issues:
        if issue.rule in named:
            named[issue.rule].add(issue.index)
    problems = []
    for index, of_what, rule in (
        (file.image_index, "an image", "image_id"),
        (file.category_index, "a category", "category_id"),
    ):
        known = named[rule] | named["keys"]  # these annotations have an issue already
        lost = [i for i in np.flatnonzero(index < 0).tolist() if i not in known]
        if lost:
            problems.append(
                f"{len(lost)} annotations point to {of_what} id that the file does not have: "
                f"annotation ids {first_few(file.ann_ids[i] for i in lost)} "
                f"({rule} {first_few(dict.fromkeys(file.unknown.get((rule, i)) for i in lost))})"
            )
    return problems
