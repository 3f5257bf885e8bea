"""Draw the figures of a report, with the numbers they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from condinst.data_report.statistics import RANGES, Statistics
from condinst.utils.svg_chart import chart_style

__all__ = ["Chart", "crowd_figure", "points_figure", "size_figure"]


@dataclass(frozen=True)
class Chart:
    """A figure, its numbers as a table, and what it shows in words."""

    figure: Figure
    columns: list[str]
    rows: list[list[Any]]
    text: str


def size_figure(statistics: Sequence[Statistics]) -> Chart:
    """Draw the square roots of the objects' areas on a logarithmic scale."""
    values = [s.sizes[s.sizes > 0] for s in statistics]
    top = max([float(v.max()) for v in values if len(v)], default=1.0)
    steps = max(4, int(np.ceil(4 * np.log2(max(2.0, top)))) + 1)
    edges = 2.0 ** (np.arange(steps + 1) / 4)
    shown = _histogram(statistics, values, edges, "square root of the area, pixels", "objects")
    axes = shown.figure.axes[0]
    with chart_style():
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_formatter(NullFormatter())
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
    with chart_style():
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        colors = rcParams["axes.prop_cycle"].by_key()["color"]
        for s, count, color in zip(statistics, counts, cycle(colors)):  # noqa: B905
            percentages = 100 * count / max(1, count.sum())
            axes.stairs(percentages, edges, fill=True, alpha=0.25, color=color)
            label = s.name if len(statistics) > 1 else "_"
            axes.stairs(percentages, edges, color=color, label=label, linewidth=1.5)
        axes.set(xlabel=what, ylabel=f"% of the {of}", xlim=(edges[0], edges[-1]))
    columns = ["from", "to", *(f"{s.name}: {of}" for s in statistics)]
    rows = [
        [float(low), float(high), *(int(count[i]) for count in counts)]
        for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True))
    ]
    text = " ".join(
        f"{s.name}, {what}: median {np.median(v):.3g}, 95 % up to {np.percentile(v, 95):.3g}, "
        f"largest {v.max():.3g}."
        for s, v in zip(statistics, values, strict=True)
        if len(v)
    )
    return Chart(figure, columns, rows, text)
