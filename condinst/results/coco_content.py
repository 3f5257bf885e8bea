"""Collect the results of many images as the content of one COCO dataset file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from condinst.results.formats import coco_category_ids

if TYPE_CHECKING:
    from condinst.results.results import Results

__all__ = ["CocoRows", "coco_content", "coco_rows", "distinct_names", "json_text"]


class CocoRows(NamedTuple):
    """The rows of one image in a COCO file, whose ids :func:`coco_content` gives.

    Attributes:
        image: the image's row; its name is a path.
        annotations: a row for each instance.
    """

    image: dict[str, Any]
    annotations: list[dict[str, Any]]


def coco_rows(results: Results, file_name: str) -> CocoRows:
    """Convert the results of an image.

    Args:
        results: the instances.
        file_name: path of the image, or another name.
    """
    height, width = results.image_size
    found = zip(results.to_coco(), results.areas, strict=True)
    annotations = [dict(id=0, area=int(area), iscrowd=0, **row) for row, area in found]
    return CocoRows(dict(id=0, file_name=file_name, height=height, width=width), annotations)


def coco_content(rows: Iterable[CocoRows], class_names: Sequence[str]) -> dict[str, Any]:
    """Join the rows of all images, number them from 1, and shorten the images' names.

    Args:
        rows: those of each image, in the order of their ids.
        class_names: the name of every label.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (image, found) in enumerate(rows, start=1):
        images.append(image | dict(id=image_id))
        for row in found:
            annotations.append(row | dict(id=len(annotations) + 1, image_id=image_id))
    names = distinct_names([image["file_name"] for image in images])
    for image, name in zip(images, names, strict=True):
        image["file_name"] = name
    ids = coco_category_ids(class_names)
    categories = [dict(id=i, name=n) for i, n in zip(ids, class_names, strict=True)]
    return dict(images=images, annotations=annotations, categories=categories)


def json_text(content: dict[str, Any]) -> str:
    """Return JSON with unescaped letters, unless a name cannot be encoded as UTF-8."""
    text = json.dumps(content, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(content)
    return text


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Return the names of the files; if two are equal, relative paths that differ."""
    names = [Path(path).name for path in paths]
    if len(set(names)) == len(names):
        return names
    absolute = [os.path.abspath(path) for path in paths]
    try:
        root = os.path.commonpath([os.path.dirname(path) for path in absolute])
    except ValueError:  # on different drives of Windows
        return [Path(path).as_posix() for path in absolute]
    return [Path(os.path.relpath(path, root)).as_posix() for path in absolute]
