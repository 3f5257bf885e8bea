"""Write the results of several seeds as a table and a chart."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.learning import Spread
from condinst.utils.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["conditions", "new_figure", "save_figure", "spread_cells", "table", "write_page"]

SPREAD_COLUMNS = ("mask AP", "std", "range", "seeds")


def spread_cells(values: Sequence[float]) -> list[str]:
    """Return the cells of :data:`SPREAD_COLUMNS`: mean, standard deviation, range and number."""
    spread = Spread.of(values)
    std = "" if spread.std is None else f"{spread.std:.3f}"
    low, high = min(values), max(values)
    return [f"{spread.mean:.3f}", std, f"{low:.3f} to {high:.3f}", str(len(values))]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [list(columns), ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def conditions(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the processors, the versions and the dates of some results, each once."""
    parts = []
    for title, key in (("", "processor"), ("torch ", "torch"), ("condinst ", "commit")):
        found = dict.fromkeys(str(r[key]) for r in records if r.get(key))
        parts += [title + ", ".join(found)] if found else []
    dates = sorted(r["date"] for r in records)
    parts.append(dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}")
    return "; ".join(parts)


def write_page(path: Path, title: str, text: str, caption: str) -> list[Path]:
    """Write the page of a benchmark beside its file of results.

    Args:
        path: the file of results.
        title: heading of the page.
        text: the page without heading and chart.
        caption: what the chart shows.

    Returns:
        The paths of the page and of the chart, which has to be drawn.
    """
    page, chart = path.with_suffix(".md"), path.with_suffix(".png")
    write_whole(page, f"# {title}\n\n{text}\n![{caption}]({chart.name})\n")
    return [page, chart]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, made without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    write_whole(path, buffer.getvalue())
