"""Read the ground truth of an evaluation, with the checks of :mod:`condinst.datasets.coco`."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from typing import Any

from mmdet.datasets.api_wrappers import COCO
from mmengine.fileio import get_local_path
from mmengine.logging import MMLogger

from condinst.datasets.coco.file_cache import take_file

__all__ = ["ids_of_labels", "read_ground_truth"]


def read_ground_truth(
    ann_file: str, backend_args: dict[str, Any] | None = None, *, sort_categories: bool = False
) -> COCO:
    """Return pycocotools' object of a COCO file, with the values that reading fixes.

    Args:
        ann_file: path of the file, or an address that ``backend_args`` can read.
        backend_args: mmengine's arguments for reading ``ann_file``.
        sort_categories: whether to sort the categories by id.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file has not COCO's layout or cannot be evaluated; the message names the
            file and its entries.
    """
    with get_local_path(ann_file, backend_args=backend_args) as path:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"annotation file not found: {ann_file}")
        try:
            file = take_file(str(path))
        except ValueError as error:
            raise ValueError(f"{ann_file}: not a COCO annotation file ({error})") from None
    if file.problems:
        listed = "".join(f"\n  {n}. {text}" for n, text in enumerate(file.problems, 1))
        raise ValueError(f"{ann_file}: cannot be evaluated with as it is:{listed}")
    content = file.to_coco()
    if sort_categories:
        content["categories"] = sorted(content["categories"], key=lambda entry: entry["id"])
    if not file.has_annotations:
        del content["annotations"]
    api = COCO()
    api.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        api.createIndex()
    api.img_ann_map, api.cat_img_map = api.imgToAnns, api.catToImgs  # mmdet's aliases
    return api


def ids_of_labels(
    api: Any, classes: Sequence[str], name: str, logger: MMLogger
) -> list[int | None]:
    """Return the category id of each label; None for a class that the file lacks.

    If the file has all classes, labels follow the file's order, as in mmdet's ``CocoDataset``.
    mmdet does the same if classes are missing, which shifts all later labels.

    Args:
        api: the file, from :func:`read_ground_truth`.
        classes: the name of every label.
        name: the file, for the warning that is logged if classes are missing.
        logger: receives the warning.
    """
    ids = api.get_cat_ids(cat_names=classes)
    if len(ids) >= len(classes):
        return ids
    by_name = {category["name"]: category["id"] for category in api.cats.values()}
    missing = [name for name in classes if name not in by_name]
    logger.warning(
        f"{name} has no category for {len(missing)} of {len(classes)} classes, which are "
        f"not evaluated: {', '.join(map(str, missing[:10]))}"
    )
    return [by_name.get(name) for name in classes]
