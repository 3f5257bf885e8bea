"""Draw the report's figures by matplotlib without pyplot: no window and no global state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

__all__ = [
    "confusion_figure",
    "error_figure",
    "line_figure",
    "mark_iterations",
    "precision_recall_figure",
    "threshold_figure",
    "use_log_scale",
]

_NUMBERS_UP_TO = 20  # most classes of a matrix whose cells have room for counts

Lines = Mapping[str, Sequence[tuple[float, float]]]


def line_figure(
    lines: Lines, label: str, *, log: bool = False, marks: Sequence[int] = (), height: float = 3.6
) -> Figure:
    """Draw values over the iterations.

    Args:
        lines: name -> (iteration, value) points; points that are not finite are left out.
        label: the label of the y axis.
        log: whether the y axis is logarithmic, if all values are positive.
        marks: iterations at which the run was resumed.
        height: in inches.
    """
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots()
    lines = {
        name: [point for point in points if math.isfinite(point[1])]
        for name, points in lines.items()
    }
    marker = "o" if max(map(len, lines.values()), default=0) < 50 else None
    for name, points in lines.items():
        if points:
            axes.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=4)
    mark_iterations(axes, marks)
    if log:
        use_log_scale(axes, lines)
    axes.set(xlabel="iteration", ylabel=label)
    _finish(axes, legend=len(lines) > 1)
    return figure


def mark_iterations(axes: Axes, iterations: Iterable[int]) -> None:
    """Draw a dotted line at each iteration."""
    for iteration in iterations:
        axes.axvline(iteration, color="gray", linestyle=":", linewidth=1)


def use_log_scale(axes: Axes, lines: Lines) -> None:
    """Make the y axis logarithmic if all values are positive."""
    if all(value > 0 for points in lines.values() for _, value in points):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))  # 0.5, not 5 x 10^-1
        axes.yaxis.set_minor_formatter(NullFormatter())


def precision_recall_figure(
    recalls: np.ndarray, overall: Mapping[str, np.ndarray], classes: Mapping[str, np.ndarray]
) -> Figure:
    """Draw the mean over the classes, and in a second panel each of ``classes``, if any."""
    figure = Figure(figsize=(9, 3.9), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, lines in zip(panels, (overall, classes), strict=True):
        for name, precision in lines.items():
            axes.plot(recalls, precision, label=name)
        axes.set(xlabel="recall", xlim=(0, 1), ylim=(0, 1.02))
        _finish(axes, legend=bool(lines))
    panels[0].set(ylabel="precision", title="mean of the classes")
    panels[1].set(title="by class, IoU 0.5")
    panels[1].set_visible(bool(classes))
    return figure


def threshold_figure(
    thresholds: np.ndarray, lines: Mapping[str, np.ndarray], best: float | None
) -> Figure:
    """Draw precision, recall and F1 over the score threshold."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, values in lines.items():
        axes.plot(thresholds, values, label=name)
    if best is not None:
        axes.axvline(best, color="black", linestyle="--", linewidth=1, label=f"best F1: {best:g}")
    axes.set(xlabel="score threshold", xlim=(0, 1), ylim=(0, 1.02))
    _finish(axes, legend=True)
    return figure


def confusion_figure(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw counts with ground truth as rows and predictions as columns, shaded by row."""
    size = min(11.0, 3.2 + 0.45 * len(names))
    figure = Figure(figsize=(size, size * 0.85), layout="constrained")
    axes = figure.subplots()
    fractions = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(names) <= _NUMBERS_UP_TO:
        for (row, column), count in np.ndenumerate(matrix):
            color = "white" if fractions[row, column] > 0.6 else "black"
            # background detected as background has no count
            if (row, column) != (len(names) - 1, len(names) - 1):
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=color)
    size_of_text = 10 if len(names) <= _NUMBERS_UP_TO else 6
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=size_of_text)
    axes.set_yticks(range(len(names)), names, fontsize=size_of_text)
    axes.set(xlabel="prediction", ylabel="ground truth")
    return figure


def error_figure(gains: Mapping[str, float]) -> Figure:
    """Draw a bar for each kind of error."""
    figure = Figure(figsize=(9, 0.8 + 0.38 * len(gains)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(list(gains), list(gains.values()))
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.invert_yaxis()
    axes.set(xlabel="AP at IoU 0.5 that fixing it would add")
    axes.margins(x=0.12)
    _finish(axes, legend=False)
    return figure


def _finish(axes, *, legend: bool) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", frameon=False, ncols=1 + (len(axes.lines) > 6))
