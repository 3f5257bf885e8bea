"""Write and read predictions as a file of COCO's results.

Validation writes the file and the report reads it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from condinst.masks.rle import as_text
from condinst.utils.files import replacing

__all__ = ["read_predictions", "write_predictions"]

_KEYS = ("image_id", "category_id", "bbox", "score")


def write_predictions(
    path: str | os.PathLike[str], predictions: Sequence[dict[str, Any]], category_ids: Sequence
) -> None:
    """Write a list of detections with box, score and, for masks, RLE.

    pycocotools' ``loadRes`` reads the file.

    Args:
        path: the file; an existing one is replaced.
        predictions: one dict per image, see :func:`condinst.evaluation.matches.gather_detections`.
            ``mask_scores`` become the scores of the file if a model gives them.
        category_ids: the COCO id of each label.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
    """
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write("[")
        first = True
        for prediction in predictions:  # one image at a time, because the whole text may be large
            rows = [json.dumps(row) for row in _rows(prediction, category_ids)]
            if rows:
                file.write(("\n" if first else ",\n") + ",\n".join(rows))
                first = False
        file.write("\n]\n")


def _rows(prediction: dict[str, Any], category_ids: Sequence) -> list[dict[str, Any]]:
    scores = np.asarray(prediction.get("mask_scores", prediction["scores"])).tolist()
    labels = np.asarray(prediction["labels"]).tolist()
    boxes = np.array(prediction["bboxes"], float).reshape(-1, 4)  # a copy
    boxes[:, 2:] -= boxes[:, :2]
    rows: list[dict[str, Any]] = [
        {
            "image_id": prediction["img_id"],
            "category_id": category_ids[label],
            "bbox": box,
            "score": score,
        }
        for label, box, score in zip(labels, boxes.tolist(), scores, strict=True)
    ]
    for row, mask in zip(rows, prediction.get("masks", ()), strict="masks" in prediction):
        row["segmentation"] = as_text(mask)
    return rows


def read_predictions(
    path: str | os.PathLike[str], category_ids: Sequence
) -> tuple[list[dict[str, Any]], bool]:
    """Read the predictions of some categories.

    Args:
        path: the file.
        category_ids: the categories to keep; labels are indices into this list.

    Returns:
        The predictions, one dict per image, for
        :func:`condinst.evaluation.matches.gather_detections`; and whether all of them have masks.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file does not hold COCO's results.
    """
    path = Path(path)
    try:
        rows = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"predictions not found: {path}") from None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(rows, list):
        raise ValueError(f"{path}: expected COCO's list of results, got a {type(rows).__name__}")
    label_of = {category_id: label for label, category_id in enumerate(category_ids)}
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for number, row in enumerate(rows):
        if not (isinstance(row, dict) and all(key in row for key in _KEYS)):
            raise ValueError(
                f"{path}: result {number} needs the keys {', '.join(_KEYS)}, got {str(row)[:200]}"
            )
        if row["category_id"] in label_of:
            by_image[row["image_id"]].append(row)
    has_masks = all("segmentation" in row for own in by_image.values() for row in own)
    return [_prediction(i, own, label_of, has_masks) for i, own in by_image.items()], has_masks


def _prediction(
    image_id: Any, rows: list[dict[str, Any]], label_of: dict, has_masks: bool
) -> dict[str, Any]:
    boxes = np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    prediction = {
        "img_id": image_id,
        "bboxes": boxes,
        "scores": np.array([row["score"] for row in rows], float),
        "labels": np.array([label_of[row["category_id"]] for row in rows], int),
    }
    if has_masks:
        prediction["masks"] = [row["segmentation"] for row in rows]
    return prediction
