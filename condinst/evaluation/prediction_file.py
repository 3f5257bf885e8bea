"""Predictions as a file of COCO's results, written while training validates, read by the report."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from condinst.utils.files import replacing

__all__ = ["read_predictions", "write_predictions"]

_KEYS = ("image_id", "category_id", "bbox", "score")


def write_predictions(
    path: str | os.PathLike[str], predictions: Sequence[dict[str, Any]], category_ids: Sequence
) -> None:
    """Write a list of detections with box, score and, where there are masks, RLE.

    pycocotools' ``loadRes`` reads the file. A file that was there before is replaced whole.

    Args:
        predictions: of an image each, as :func:`condinst.evaluation.matches.gather_detections`
            takes them. ``mask_scores``, where a model has them, are the scores of the file.
        category_ids: the COCO id of every label.

    Raises:
        OSError: the file cannot be written; the old one is still there.
    """
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write("[")
        first = True
        for prediction in predictions:  # image by image: the text of all may be large
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
        counts = mask["counts"]
        counts = counts.decode() if isinstance(counts, bytes) else counts
        row["segmentation"] = {"size": [int(side) for side in mask["size"]], "counts": counts}
    return rows


def read_predictions(
    path: str | os.PathLike[str], category_ids: Sequence
) -> tuple[list[dict[str, Any]], bool]:
    """Predictions of an image each; of ``category_ids`` only, in whose order labels count.

    Returns:
        The predictions, as :func:`condinst.evaluation.matches.gather_detections` takes them
        together with ``category_ids``; and whether all of them have masks.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a file of COCO's results.
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
