"""Draw the figures of a report, with the numbers they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from condinst.data_report.statistics import RANGES, Statistics

__all__ = ["Chart", "class_figure", "points_figure", "size_figure", "crowd_figure"]

_COLORS = ("#2a6fd6", "#e07b39", "#2f9e6e", "#8e5bb5")
_BARS = 40  # most classes in a figure


@dataclass(frozen=True)
class Chart:
    """A figure and its numbers as a table."""

    figure: Figure
    columns: list[str]
    rows: list[list[Any]]


def class_figure(statistics: Sequence[Statistics]) -> Chart:
    """Draw objects by class, the most frequent first, in % of each dataset."""
    totals: dict[str, int] = {}
    for s in statistics:
        for name, count in zip(s.classes, s.class_objects, strict=True):
            totals[name] = totals.get(name, 0) + int(count)
    names = sorted(totals, key=lambda name: -totals[name])
    rows = [[name, *(_count(s, name) for s in statistics)] for name in names]
    shown = names[:_BARS]
    figure = Figure(figsize=(8, 0.6 + 0.22 * len(shown) * max(1, 0.6 * len(statistics))))
    axes = figure.subplots()
    height = 0.8 / len(statistics)
    for k, s in enumerate(statistics):
        percentages = [100 * _count(s, name) / max(1, s.num_objects) for name in shown]
        places = np.arange(len(shown)) + (k - (len(statistics) - 1) / 2) * height
        axes.barh(places, percentages, height, label=s.name, color=_COLORS[k % len(_COLORS)])
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("% of the objects")
    _finish(figure, axes, statistics)
    return Chart(figure, ["class", *(s.name for s in statistics)], rows)


def _count(s: Statistics, name: str) -> int:
    return sum(int(n) for c, n in zip(s.classes, s.class_objects, strict=True) if c == name)


def size_figure(statistics: Sequence[Statistics]) -> Chart:
    """Draw the square roots of the objects' areas on a logarithmic scale."""
    values = [s.sizes[s.sizes > 0] for s in statistics]
    top = max([float(v.max()) for v in values if len(v)], default=1.0)
    steps = max(4, int(np.ceil(4 * np.log2(max(2.0, top)))) + 1)
    edges = 2.0 ** (np.arange(steps + 1) / 4)
    shown = _histogram(statistics, values, edges, "square root of the area, pixels", "objects")
    axes = shown.figure.axes[0]
    axes.set_xscale("log", base=2)
    ticks = [2**i for i in range(int(np.log2(edges[-1])) + 1)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    for low, _ in RANGES.values():
        if 0 < low**0.5 < edges[-1]:
            axes.axvline(low**0.5, color="gray", linestyle=":", linewidth=1)
    return shown


def crowd_figure(statistics: Sequence[Statistics]) -> Chart:
    """Draw the number of objects per image."""
    values = [s.per_image for s in statistics]
    return _counts(statistics, values, "objects in an image", "images")


def points_figure(statistics: Sequence[Statistics]) -> Chart:
    """Draw the number of polygon points per object."""
    values = [s.num_points for s in statistics]
    return _counts(statistics, values, "points of an object's polygons", "objects")


def _counts(
    statistics: Sequence[Statistics], values: Sequence[np.ndarray], what: str, of: str
) -> Chart:
    """Draw whole numbers: one bar for each up to thirty, else about thirty bars."""
    top = max((int(v.max()) for v in values if len(v)), default=1)
    width = max(1, -(-(top + 1) // 30))
    edges = np.arange(0, top + 1 + width, width) - 0.5
    return _histogram(statistics, values, edges, what, of)


def _histogram(
    statistics: Sequence[Statistics],
    values: Sequence[np.ndarray],
    edges: np.ndarray,
    what: str,
    of: str,
) -> Chart:
    counts = [np.histogram(v, edges)[0] for v in values]
    figure = Figure(figsize=(8, 3))
    axes = figure.subplots()
    for k, (s, count) in enumerate(zip(statistics, counts, strict=True)):
        color = _COLORS[k % len(_COLORS)]
        percentages = 100 * count / max(1, count.sum())
        axes.stairs(percentages, edges, fill=True, alpha=0.25, color=color)
        axes.stairs(percentages, edges, color=color, label=s.name)
    axes.set_xlabel(what)
    axes.set_ylabel(f"% of the {of}")
    axes.set_xlim(edges[0], edges[-1])
    _finish(figure, axes, statistics)
    columns = ["from", "to", *(f"{s.name}: {of}" for s in statistics)]
    rows = [
        [float(low), float(high), *(int(count[i]) for count in counts)]
        for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True))
    ]
    return Chart(figure, columns, rows)


def _finish(figure: Figure, axes: Any, statistics: Sequence[Statistics]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    if len(statistics) > 1:
        axes.legend(frameon=False)
    figure.set_layout_engine("tight")
