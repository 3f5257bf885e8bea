"""The HTML text of a page's frame and of its parts."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from condinst.utils.html_style import SCRIPT, STYLE
from condinst.utils.svg_chart import legend_of, to_svg

__all__ = ["figure_parts", "jpeg", "matrix_table", "page_text", "slug", "table_cell"]

_LONG = 20  # characters of a text whose cell is not squeezed further


def page_text(title: str, contents: Iterable[tuple[str, str]], body: str, footer: str) -> str:
    """Return a whole page.

    Args:
        title: plain text, in the head and as the first heading.
        contents: (id, plain text) of the sections.
        body: HTML.
        footer: plain text; none if empty.
    """
    title = html.escape(title)
    items = "".join(
        f'<li><a href="#{name}">{html.escape(text)}</a></li>' for name, text in contents
    )
    nav = f'<nav aria-label="Contents"><ul>{items}</ul></nav>' if items else "<div></div>"
    footer = f"<footer>{html.escape(footer)}</footer>" if footer else ""
    # whatever text the page may hold, only this script runs, and nothing is fetched
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f"<body>{nav}<main><h1>{title}</h1>\n{body}\n{footer}</main>\n"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def figure_parts(figure: Any, caption: str, text: str, place: str, after: str) -> str:
    """Return the content of a ``<figure>``: chart, legend and caption.

    Args:
        figure: the matplotlib figure.
        caption: text below it.
        text: what it shows, in words.
        place, after: ids of the figure, which enlarges it, and of the place after it.
    """
    title, label = f"{place}-title", html.escape(caption)
    svg = to_svg(figure, place)
    head, _, content = svg.partition(">")
    names = f'{title} {place}-text" role="img' if text else f'{title}" role="img'
    words = f'<desc id="{place}-text">{html.escape(text)}</desc>' if text else ""
    legend = "".join(
        f'<li style="--c:{color}">{html.escape(name)}</li>' for name, color in legend_of(figure)
    )
    return (
        f'<a class="close" href="#{after}">close</a><a class="zoom" href="#{place}">'
        f'{head} aria-labelledby="{names}"><title id="{title}">{label}</title>{words}{content}</a>'
        + (f'<ul class="legend">{legend}</ul>' if legend else "")
        + f'<figcaption id="{after}">{label}</figcaption>'
    )


def table_cell(value: Any, digits: int, fraction: float | None = None) -> str:
    """Return a table's cell, with a bar of a fraction of its width where given."""
    if value is None:
        return '<td class="number">-</td>'
    if isinstance(value, str):
        mark = ' class="long"' if len(value) > _LONG else ""
        return f"<td{mark}>{html.escape(value)}</td>"
    if fraction is None:
        return f'<td class="number">{_number(value, digits)}</td>'
    return f'<td class="number bar" style="--f:{fraction:.3g}">{_number(value, digits)}</td>'


def matrix_table(names: Sequence[str], values: np.ndarray, corner: str, shades: np.ndarray) -> str:
    """Return a square table of counts, shaded; zeros stay empty.

    Args:
        names: of the rows and of the columns.
        values: (N, N) counts.
        corner: text above the names of the rows.
        shades: (N, N) fractions.
    """
    labels = [html.escape(name) for name in names]
    head = "".join(
        f'<th scope="col"><span>{label}</span></th>' for label in [html.escape(corner), *labels]
    )
    body = "".join(
        f'<tr><th scope="row">{label}</th>'
        + "".join(
            f'<td style="--f:{shade:.2g}">{value:,}</td>' if value else "<td></td>"
            for value, shade in zip(counts, fractions, strict=True)
        )
        + "</tr>"
        for label, counts, fractions in zip(labels, values.tolist(), shades.tolist(), strict=True)
    )
    return f'<table class="matrix"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _number(value: Any, digits: int) -> str:
    """Return a number with fewer digits after the point the more there are before it."""
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    before = math.floor(math.log10(abs(value))) if math.isfinite(value) and abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - before)}f}"


def jpeg(image: np.ndarray, max_pixels: int) -> str:
    """Return an (H, W, 3) uint8 RGB image as a data URL, reduced to ``max_pixels``."""
    scale = max_pixels / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def slug(text: str) -> str:
    """Return a text as an HTML id; empty if it has no letter of ASCII."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
