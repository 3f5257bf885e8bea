"""Choose the example images of a report and draw ground truth beside prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from condinst.images.sources import read_for_display
from condinst.masks.crop import Crop
from condinst.report.analysis import Analysis, ImageScore
from condinst.report.evaluated_split import EvaluatedSplit
from condinst.report.matching import FREE
from condinst.utils.words import counted
from condinst.visualization.instances import draw_panels

__all__ = ["CROWDED", "GROUPS", "choose_images", "draw_images"]

CROWDED = 30  # instances; names of so many would hide the image
# the colors of labels: 0 is red, 2 is green
_OUTCOMES, _RIGHT = ("wrong", "", "right"), 2

# heading -> largest number of images
GROUPS = {
    "Worst images": 6,
    "Best images": 6,
    "Most false positives": 4,
    "Most missed objects": 4,
}


def choose_images(scores: Sequence[ImageScore]) -> dict[str, list[ImageScore]]:
    """Choose the images of each of GROUPS, the most extreme first.

    Worst and best images go by quality, and ties by the number of objects. The best have at least
    one right detection, and the worst at least one error.
    """
    judged = [score for score in scores if score.quality is not None]
    by_quality = sorted(judged, key=lambda score: (score.quality, -score.objects))
    chosen = {
        "Worst images": [s for s in by_quality if s.false_positives or s.missed],
        "Best images": sorted(
            (s for s in judged if s.right), key=lambda s: (-(s.quality or 0), -s.objects)
        ),
        "Most false positives": sorted(
            (s for s in judged if s.false_positives), key=lambda s: -s.false_positives
        ),
        "Most missed objects": sorted((s for s in judged if s.missed), key=lambda s: -s.missed),
    }
    # with few images, none is among both the worst and the best
    half = (len(judged) + 1) // 2
    limits = {name: min(count, half) for name, count in GROUPS.items()}
    return {name: images[: limits[name]] for name, images in chosen.items()}


def draw_images(
    split: EvaluatedSplit, analysis: Analysis, scores: Sequence[ImageScore], problems: list[str]
) -> Iterator[tuple[list[tuple[str, np.ndarray]], str]]:
    """Yield a (panels, caption) pair for each score; panels are (title, RGB image) pairs.

    Detections below the report's threshold are not drawn. Colors are those of the classes. With a
    single class, or CROWDED or more instances, right detections are green, and wrong or missed
    ones are red.

    Args:
        split: the images and their objects.
        analysis: the detections.
        scores: the images to draw.
        problems: receives a message for each image that cannot be read.
    """
    for score in scores:
        size = split.truth.sizes[score.index]
        path = Path(split.folder) / split.file_names[score.index]
        try:
            image = read_for_display(path, size)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        most = max(score.objects, score.right + score.false_positives)
        by_outcome = most >= CROWDED or len(split.class_names) == 1
        drawn = draw_panels(
            image,
            *_sides(split, analysis, score.index, by_outcome),
            _OUTCOMES if by_outcome else split.class_names,
            analysis.threshold,
            boxes=not by_outcome,
            names=not by_outcome,
        )
        yield drawn, _caption(split.file_names[score.index], score)


def _caption(name: str, score: ImageScore) -> str:
    quality = "" if score.quality is None else f", quality {score.quality:.2f}"
    return (
        f"{name}: {score.right} of {score.objects} found, "
        f"{counted(score.false_positives, 'false positive')}{quality}"
    )


def _sides(
    split: EvaluatedSplit, analysis: Analysis, index: int, by_outcome: bool
) -> tuple[InstanceData, InstanceData]:
    """Return objects and detections of an image; labels are classes, or indices of _OUTCOMES."""
    truth, detections = split.truth, analysis.detections
    objects = np.flatnonzero((truth.images == index) & ~truth.crowds)
    found = np.flatnonzero((detections.images == index) & (detections.scores >= analysis.threshold))
    found = found[analysis.pairing.object_of[found] >= FREE]
    labels = truth.categories[objects], detections.categories[found]
    if by_outcome:
        object_of = analysis.pairing.object_of[found]
        labels = np.isin(objects, object_of) * _RIGHT, (object_of >= 0) * _RIGHT
    left = InstanceData(labels=labels[0], bboxes=_corners(truth.boxes[objects]))
    if all(truth.segmentations[i] for i in objects):
        left.masks = [_crop(truth.masks[i]) for i in objects]
    right = InstanceData(
        labels=labels[1],
        scores=detections.scores[found],
        bboxes=_corners(detections.boxes[found]),
    )
    if detections.masks is not None:
        right.masks = [_crop(detections.masks[i]) for i in found]
    return left, right


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _crop(rle: dict) -> Crop:
    return Crop.of(coco_mask.decode(rle))
