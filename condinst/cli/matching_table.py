"""Write the numbers of MatchingMetric as one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from condinst.cli.ap_table import align

__all__ = ["matching_table"]

_COLUMNS = {
    "TP/(TP+FP+FN)": "ap",
    "mean of images": "image_ap",
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
    "PQ": "pq",
}


def matching_table(metrics: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a table with one row per IoU threshold, and the metrics that are not in it.

    Args:
        metrics: of one or several metrics, such as ``matching/ap_50``.
    """
    left = dict(metrics)
    texts = []
    for prefix in [name[: -len("/image_ap")] for name in metrics if name.endswith("/image_ap")]:
        start = f"{prefix}/ap_"
        thresholds = [name[len(start) :] for name in metrics if name.startswith(start)]
        rows = [["IoU", *_COLUMNS]]
        for threshold in thresholds:
            values = [left.pop(f"{prefix}/{key}_{threshold}", None) for key in _COLUMNS.values()]
            rows.append([f"{float(threshold) / 100:.2f}", *map(_cell, values)])
        means = [left.pop(f"{prefix}/ap"), left.pop(f"{prefix}/image_ap")]
        rows.append(["mean", *map(_cell, means), *[""] * (len(_COLUMNS) - len(means))])
        score_thr = left.pop(f"{prefix}/score_thr", None)
        said = (
            "" if score_thr is None else f" of detections with a score of {score_thr:.2f} or more"
        )
        name = "" if prefix == "matching" else f"{prefix}: "
        texts.append("\n".join([f"{name}one-to-one matches{said}", *align(rows, 16)]))
    return "\n".join(texts), left


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
