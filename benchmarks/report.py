"""Write results as a table, as JSON and as an image."""

from __future__ import annotations

import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Comparison
from condinst.utils.environment import machine
from condinst.utils.files import write_whole
from condinst.version import __version__

_UNITS = {"s": (1e3, "ms"), "B": (1e-6, "MB")}


def as_line(found: Comparison) -> str:
    """Format one comparison for the terminal."""
    low, high = found.spread
    factor, unit = _UNITS[found.unit]
    theirs, ours = (factor * statistics.median(x) for x in (found.theirs, found.ours))
    bar = "" if found.bar is None else f"  bar {found.bar:.2f}: {_verdict(found)}"
    return (
        f"{found.name}: {found.ratio:.2f}x [{low:.2f}, {high:.2f}]  "
        f"{found.against} {theirs:.4g} {unit}, ours {ours:.4g} {unit}{bar}\n    {found.note}"
    )


def _verdict(found: Comparison) -> str:
    return "reached" if found.bar is None or found.ratio >= found.bar else "MISSED"


def as_markdown(comparisons: Sequence[Comparison]) -> str:
    """Format the table for docs/benchmarks."""
    lines = [
        "| part | against | ratio of medians | 95% interval | theirs | ours | bar | what |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found in comparisons:
        factor, unit = _UNITS[found.unit]
        theirs, ours = (factor * statistics.median(x) for x in (found.theirs, found.ours))
        bar = "" if found.bar is None else f"{found.bar:.2f}, {_verdict(found)}"
        low, high = found.spread
        lines.append(
            f"| {found.name} | {found.against} | **{found.ratio:.2f}** | {low:.2f} to {high:.2f} | "
            f"{theirs:.4g} {unit} | {ours:.4g} {unit} | {bar} | {found.note} |"
        )
    return "\n".join(lines) + "\n"


def write_report(
    folder: Path, name: str, comparisons: Sequence[Comparison], device: str, command: str
) -> list[Path]:
    """Write NAME.json, NAME.md and NAME.png; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("json", "md", "png")]
    about = {"condinst": __version__} | machine(device) | {"command": command}
    rows = [
        {
            "name": found.name,
            "against": found.against,
            "unit": found.unit,
            "ratio": round(found.ratio, 4),
            "interval": [round(x, 4) for x in found.spread],
            "bar": found.bar,
            "note": found.note,
            "theirs": found.theirs,
            "ours": found.ours,
        }
        for found in comparisons
    ]
    write_whole(paths[0], json.dumps({"machine": about, "results": rows}, indent=1) + "\n")
    versions = ", ".join(f"{key} {value}" for key, value in about.items() if key != "command")
    text = f"# {name}\n\n{versions}\n\n`{command}`\n\n{as_markdown(comparisons)}"
    write_whole(paths[1], text)
    _draw(paths[2], comparisons, f"{about.get('gpu', about['processor'])}, {about['date']}")
    return paths


def _draw(path: Path, comparisons: Sequence[Comparison], title: str) -> None:
    """Draw one bar per part with its interval, and a mark at the required ratio."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1 + 0.36 * len(comparisons)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(len(comparisons))
    ratios = [found.ratio for found in comparisons]
    errors = [
        [max(found.ratio - found.spread[0], 0) for found in comparisons],
        [max(found.spread[1] - found.ratio, 0) for found in comparisons],
    ]
    axes.barh(places, ratios, xerr=errors, color="#4c78a8", ecolor="#333333", capsize=2)
    bars = [(i, found.bar) for i, found in enumerate(comparisons) if found.bar is not None]
    axes.plot([b for _, b in bars], [i for i, _ in bars], "d", color="#e45756", label="bar")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(places, [f"{f.name} ({f.against})" for f in comparisons], fontsize=8)
    axes.invert_yaxis()
    for i, found in enumerate(comparisons):
        axes.annotate(
            f" {found.ratio:.2f}",
            (found.spread[1], i),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    axes.margins(x=0.2, y=0.01)
    axes.set_xlabel("theirs / ours, ratio of medians (time or memory)")
    axes.set_title(title, fontsize=9)
    if bars:
        axes.legend(loc="lower right", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    write_whole(path, buffer.getvalue())
