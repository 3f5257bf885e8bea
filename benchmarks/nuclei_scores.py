"""Choose post-processing on validation images, measure label maps, and write the table."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.nuclei_data import names_of, read_labels
from condinst.evaluation.label_matching import Matches, label_overlaps, match_label_maps
from condinst.evaluation.matched_images import ScoredOverlaps, best_score_thr, count_all
from condinst.evaluation.matching_metric import IOU_THRS
from condinst.masks.label_map import draw_label_map
from condinst.masks.rle import checked_rle, crop_of_rle

__all__ = [
    "IOU_THRS",
    "QUOTED",
    "Choice",
    "choose",
    "label_maps",
    "measure",
    "measure_folder",
    "table",
]

VISIBLE = (0.0, 0.3, 0.5, 0.7)
# Schmidt et al., Cell Detection with Star-convex Polygons, MICCAI 2018, the table of DSB2018.
# Quoted by others, and not yet compared with the paper: the table says so.
QUOTED = {
    "StarDist, quoted": [0.864, 0.836, 0.804, 0.755, 0.685, 0.586, 0.450, 0.287, 0.119],
    "Mask R-CNN, quoted": [0.832, 0.805, 0.773, 0.730, 0.684, 0.597, 0.489, 0.353, 0.189],
}


@dataclass(frozen=True)
class Choice:
    """The settings that were chosen on the validation images.

    Attributes:
        variant: name of the way of prediction, such as "tta".
        score_thr: the lowest score.
        min_visible: see :func:`condinst.masks.label_map.draw_label_map`.
        ap: mean of TP / (TP + FP + FN) over the IoU thresholds, on the validation images.
    """

    variant: str
    score_thr: float
    min_visible: float
    ap: float


def choose(folder: Path, predictions: Mapping[str, Path]) -> tuple[Choice, list[Choice]]:
    """Try every variant and visible fraction, each with its best score; return the best and all.

    Args:
        folder: the dataset, see :func:`benchmarks.nuclei_data.names_of`.
        predictions: the file of ``condinst test --out`` on the validation images, by variant.
    """
    tried = []
    for variant, path in predictions.items():
        for min_visible in VISIBLE:
            images = _overlaps(folder, "val", path, min_visible)
            found = best_score_thr(images, IOU_THRS)
            if found is not None:
                tried.append(Choice(variant, found[0], min_visible, found[1]))
    if not tried:
        raise ValueError(f"{', '.join(map(str, predictions.values()))}: no detection is right")
    return max(tried, key=lambda one: one.ap), tried


def measure(folder: Path, split: str, path: Path, choice: Choice) -> dict[str, Any]:
    """Measure the predictions of a split with what was chosen."""
    images = _overlaps(folder, split, path, choice.min_visible)
    return _numbers(count_all(images, IOU_THRS, choice.score_thr)) | {"chosen": asdict(choice)}


def _overlaps(folder: Path, split: str, path: Path, min_visible: float) -> list[ScoredOverlaps]:
    """Draw label maps as the benchmark wants them, and compare them with the stored ones."""
    return [
        ScoredOverlaps(label_overlaps(truth, drawn), scores)
        for _, truth, drawn, scores in label_maps(folder, split, path, min_visible)
    ]


def label_maps(
    folder: Path, split: str, path: Path, min_visible: float, score_thr: float = 0
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the images of a split, each with its stored label map and the predicted one.

    Args:
        folder, split: see :func:`benchmarks.nuclei_data.names_of`.
        path: the file of ``condinst test --out`` on the split.
        min_visible: see :func:`condinst.masks.label_map.draw_label_map`.
        score_thr: the lowest score.

    Yields:
        The file name, the two label maps, (H, W), and the scores of the predicted labels, in the
        order of their numbers.
    """
    # written by this script's own test runs
    rows = {row["img_id"]: row["pred_instances"] for row in pickle.loads(path.read_bytes())}
    masks = folder / ("test" if split == "test" else "train") / "masks"
    for number, name in enumerate(names_of(folder, split), start=1):
        truth, found = read_labels(masks / name), rows[number]
        scores = np.asarray(found["scores"], float)
        order = [i for i in np.argsort(-scores, kind="stable") if scores[i] >= score_thr]
        height, width = truth.shape
        crops = [crop_of_rle(checked_rle(found["masks"][i], height, width)) for i in order]
        drawn = draw_label_map(crops, (height, width), min_visible)
        shown = np.unique(drawn[drawn > 0]).astype(int) - 1  # as label_overlaps numbers them
        yield name, truth, drawn, scores[order][shown]


def measure_folder(folder: Path, split: str, labels: Path) -> dict[str, Any]:
    """Measure a folder of label maps, files of the masks' names."""
    masks = folder / ("test" if split == "test" else "train") / "masks"
    parts = [
        match_label_maps(read_labels(masks / name), read_labels(labels / name), IOU_THRS)
        for name in names_of(folder, split)
    ]
    return _numbers(parts)


def _numbers(parts: Sequence[Matches]) -> dict[str, Any]:
    total = Matches.sum(parts, len(IOU_THRS))
    return {
        "ap": total.ap.tolist(),
        "image_ap": Matches.mean_ap(parts, len(IOU_THRS)).tolist(),
        "f1": total.f1.tolist(),
        "pq": total.pq.tolist(),
        "tp": total.tp.tolist(),
        "fp": total.fp.tolist(),
        "fn": total.fn.tolist(),
    }


def table(results: Mapping[str, Sequence[Mapping[str, Any]]], key: str) -> str:
    """Return a Markdown table: mean over the seeds, and the spread from lowest to highest.

    Args:
        results: by method, the numbers of each seed from :func:`measure`.
        key: "ap" (all images together, with the quoted numbers) or "image_ap".
    """
    lines = [
        "| | " + " | ".join(f"{value:.2f}" for value in IOU_THRS) + " | mean |",
        "| --- |" + " --- |" * (len(IOU_THRS) + 1),
    ]
    rows = {name: [values] for name, values in QUOTED.items()} if key == "ap" else {}
    for name, seeds in results.items():
        rows[f"{name}, {len(seeds)} seed" + "s" * (len(seeds) > 1)] = [s[key] for s in seeds]
    for name, values in rows.items():
        array = np.array(values)
        array = np.concatenate([array, array.mean(axis=1, keepdims=True)], axis=1)
        low, high = array.min(axis=0), array.max(axis=0)
        cells = [
            f"{mean:.3f}" if len(array) == 1 else f"{mean:.3f} ({a:.3f} to {b:.3f})"
            for mean, a, b in zip(array.mean(axis=0), low, high, strict=True)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
