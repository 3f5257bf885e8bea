"""Conversion of results to the formats of other programs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from condinst.utils.arguments import shown
from condinst.utils.optional import import_failure

if TYPE_CHECKING:
    import pandas
    import supervision

__all__ = [
    "coco_category_ids",
    "to_coco",
    "to_dataframe",
    "to_labelme",
    "to_supervision",
    "with_tracks",
]

# COCO's category ids go from 1 to 90; these are not used.
_UNUSED_COCO_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_LABELME_FORMAT = "5.5.0"


def coco_category_ids(class_names: Sequence[str]) -> list[int]:
    """Return COCO's own category ids for COCO's 80 classes, and 1, 2, 3, ... for other classes."""
    ends = (class_names[0], class_names[-1]) if len(class_names) == 80 else ()
    if ends == ("person", "toothbrush"):
        return [i for i in range(1, 91) if i not in _UNUSED_COCO_IDS]
    return list(range(1, len(class_names) + 1))


def to_coco(
    labels: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    rles: Sequence[dict],
    class_names: Sequence[str],
    image_id: int | str,
    category_ids: Sequence[int] | None,
) -> list[dict]:
    """Convert N detections as described in :meth:`condinst.results.Results.to_coco`."""
    if category_ids is None:
        category_ids = coco_category_ids(class_names)
    expected = f"expected one for each of the {len(class_names)} classes"
    try:
        category_ids = [operator.index(number) for number in category_ids]
    except TypeError:
        raise ValueError(f"category_ids={shown(category_ids)}: {expected}, whole numbers") from None
    if len(category_ids) != len(class_names):
        raise ValueError(f"category_ids: {expected}, got {len(category_ids)}")
    rows = zip(labels, scores, boxes, rles, strict=True)
    return [
        dict(
            image_id=image_id,
            category_id=category_ids[label],
            bbox=[float(v) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1])],
            score=float(score),
            segmentation=rle,
        )
        for label, score, box, rle in rows
    ]


def with_tracks(rows: list[dict], track_ids: np.ndarray | None) -> list[dict]:
    """Add ``track_id`` to the row of each instance, if there are tracks."""
    if track_ids is None:
        return rows
    return [dict(row, track_id=int(i)) for row, i in zip(rows, track_ids, strict=True)]


def to_labelme(
    names: Sequence[str],
    scores: np.ndarray,
    boxes: np.ndarray,
    polygons: Sequence[Sequence[np.ndarray]],
    image_size: tuple[int, int],
    image_path: str,
) -> dict:
    """Convert N instances as described in :meth:`condinst.results.Results.to_labelme`."""
    shapes: list[dict] = []
    rows = zip(names, scores, boxes, polygons, strict=True)
    for i, (name, score, box, parts) in enumerate(rows):
        kind = "polygon" if parts else "rectangle"  # for a mask without pixels
        for part in parts or [box.reshape(2, 2)]:
            shapes.append(
                dict(
                    label=name,
                    points=part.astype(float).tolist(),
                    group_id=i if len(parts) > 1 else None,
                    description=f"score {score:.3f}",
                    shape_type=kind,
                    flags={},
                    mask=None,
                )
            )
    return dict(
        version=_LABELME_FORMAT,
        flags={},
        shapes=shapes,
        imagePath=image_path,
        imageData=None,
        imageHeight=image_size[0],
        imageWidth=image_size[1],
    )


def to_supervision(
    labels: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray,
    names: np.ndarray,
    track_ids: np.ndarray | None,
) -> supervision.Detections:
    """Convert N instances as described in :meth:`condinst.results.Results.to_supervision`."""
    try:
        import supervision
    except ImportError as error:
        raise import_failure(
            "to_supervision() needs supervision",
            "supervision",
            'pip install "condinst[track]"',
            error,
        ) from error
    return supervision.Detections(
        xyxy=boxes.copy(),
        mask=masks,
        confidence=scores.copy(),
        class_id=labels.copy(),
        tracker_id=None if track_ids is None else track_ids.copy(),
        data={"class_name": names},
    )


def to_dataframe(
    names: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    areas: np.ndarray,
) -> pandas.DataFrame:
    """Convert N instances as described in :meth:`condinst.results.Results.to_dataframe`."""
    try:
        import pandas
    except ImportError as error:
        raise import_failure(
            "to_dataframe() needs pandas", "pandas", "pip install pandas", error
        ) from error
    corners = dict(zip(("x1", "y1", "x2", "y2"), boxes.T, strict=True))
    return pandas.DataFrame(
        dict(name=names.astype(object), label=labels, score=scores, **corners, area=areas)
    )
