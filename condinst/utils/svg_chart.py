"""Draw matplotlib figures as SVG for a page: its colors, its font, real text, a legend in HTML."""

from __future__ import annotations

import io
import re
import warnings
from contextlib import AbstractContextManager
from typing import Any

from condinst.utils.html_style import NUM_COLORS

__all__ = ["chart_style", "legend_of", "to_svg"]

# placeholders, which become the page's variables; matplotlib knows no CSS
_LINES = [f"#fe00{index:02x}" for index in range(NUM_COLORS)]
_VARIABLES = {color: f"var(--c{index})" for index, color in enumerate(_LINES)} | {
    "#fe0100": "var(--text)",
    "#fe0101": "var(--line)",
}
_TEXT, _GRID = "#fe0100", "#fe0101"
_FONT = "DejaVu Sans"  # matplotlib's own, for measuring; the page's font is written


def chart_style() -> AbstractContextManager[None]:
    """Return the context in which a figure is made, so that a page can show it."""
    import matplotlib
    from cycler import cycler

    return matplotlib.rc_context(
        {
            "axes.edgecolor": _TEXT,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.labelcolor": _TEXT,
            "axes.prop_cycle": cycler(color=_LINES),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 11,
            "figure.facecolor": "none",
            "figure.figsize": (5.2, 3.2),
            "font.family": _FONT,
            "font.size": 11,
            "grid.color": _GRID,
            "lines.linewidth": 1.75,
            "savefig.facecolor": "none",
            "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
            "text.color": _TEXT,
            "text.parse_math": False,  # a class may be called $x$
            "xtick.color": _TEXT,
            "ytick.color": _TEXT,
        }
    )


def legend_of(figure: Any) -> list[tuple[str, str]]:
    """Return (label, CSS color) of each labeled line of a figure, each label once."""
    from matplotlib.colors import to_hex

    found: dict[str, str] = {}
    for axes in figure.axes:
        if axes.get_visible():
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                paint = handle.get_color() if hasattr(handle, "get_color") else None
                color = to_hex(paint if paint is not None else handle.get_edgecolor())
                found.setdefault(label, _VARIABLES.get(color, color))
    return list(found.items())


def to_svg(figure: Any, prefix: str) -> str:
    """Return a figure of :func:`chart_style` as an ``<svg>`` element for use within HTML.

    Args:
        figure: ``matplotlib.figure.Figure``, made without pyplot.
        prefix: put before all ids, which matplotlib repeats in every figure.
    """
    buffer = io.StringIO()
    about = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with chart_style(), warnings.catch_warnings():
        # the reader's font has glyphs that matplotlib's font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata=about)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = svg.replace(f"'{_FONT}'", "system-ui, sans-serif")
    return re.sub(
        r"\b(fill|stroke): (#fe0[01][0-9a-f]{2})\b",
        lambda match: f"{match[1]}: {_VARIABLES.get(match[2], match[2])}",
        svg,
    )
