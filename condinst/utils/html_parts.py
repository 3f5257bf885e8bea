"""The smallest parts of a page: cells, images, figures, names."""

from __future__ import annotations

import base64
import html
import math
import re
from typing import Any

import cv2
import numpy as np

from condinst.utils.svg_chart import legend_of, to_svg

__all__ = ["figure_parts", "jpeg", "slug", "table_cell"]

_LONG = 20  # characters of a text whose cell is not squeezed further


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
