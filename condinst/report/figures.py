"""Draw the report's figures by matplotlib without pyplot: no window and no global state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from condinst.utils.svg_chart import chart_style

__all__ = [
    "line_figure",
    "lines_in_words",
    "mark_iterations",
    "precision_recall_figure",
    "threshold_figure",
    "use_log_scale",
]

Lines = Mapping[str, Sequence[tuple[float, float]]]


def line_figure(
    lines: Lines, label: str, *, log: bool = False, marks: Sequence[int] = ()
) -> Figure:
    """Draw values over the iterations.

    Args:
        lines: name -> (iteration, value) points; points that are not finite are left out.
        label: the label of the y axis.
        log: whether the y axis is logarithmic, if all values are positive.
        marks: iterations at which the run was resumed.
    """
    lines = {name: _finite(points) for name, points in lines.items()}
    figure, axes = _new("iteration", label)
    with chart_style():
        marker = "o" if max(map(len, lines.values()), default=0) < 50 else None
        for name, points in lines.items():
            if points:
                label = name if len(lines) > 1 else "_"
                axes.plot(*zip(*points, strict=True), label=label, marker=marker, markersize=4)
        mark_iterations(axes, marks)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if log:
            use_log_scale(axes, lines)
    return figure


def lines_in_words(lines: Lines) -> str:
    """Return the first and last value of each line, and its highest, as sentences."""
    sentences = []
    for name, points in lines.items():
        known = _finite(points)
        if known:
            (start, first), (end, last) = known[0], known[-1]
            at, highest = max(known, key=lambda point: point[1])
            sentences.append(
                f"{name}: {first:.3g} at {start:g}, {last:.3g} at {end:g}, "
                f"highest {highest:.3g} at {at:g}."
            )
    return " ".join(sentences)


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
    recalls: np.ndarray, lines: Mapping[str, np.ndarray], title: str
) -> Figure:
    """Draw precision over recall."""
    figure, axes = _new("recall", "precision")
    with chart_style():
        for name, precision in lines.items():
            axes.plot(recalls, precision, label=name)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), title=title)
    return figure


def threshold_figure(
    thresholds: np.ndarray, lines: Mapping[str, np.ndarray], best: float | None
) -> Figure:
    """Draw precision, recall and F1 over the score threshold."""
    figure, axes = _new("score threshold", "")
    with chart_style():
        for name, values in lines.items():
            axes.plot(thresholds, values, label=name)
        if best is not None:
            axes.axvline(best, color=axes.xaxis.label.get_color(), linestyle="--", linewidth=1)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
    return figure


def _new(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    with chart_style():
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.set(xlabel=x_label, ylabel=y_label)
    return figure, axes


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if math.isfinite(point[1])]
