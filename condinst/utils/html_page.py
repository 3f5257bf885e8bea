"""Write a report as one HTML file that holds its text, tables, figures and images.

The page fetches nothing. The numbers behind a figure or a table are written as CSV into a folder
beside it, and linked.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from condinst.utils.files import write_whole

__all__ = ["HtmlPage"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #2a6fd6; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 .25rem; }
h1, h2, h3 { line-height: 1.25; }
a { color: var(--link); }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: left; }
th { background: var(--soft); } .number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; background: #fff; }
figcaption, .data { font-size: .875rem; opacity: .8; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--side), 1fr));
  gap: 1rem; }
.images figure { margin: 0; } .images img { width: 100%; height: auto; display: block; }
.ok { color: #1a7f37; } .warning { color: #9a6700; } .error { color: #cf222e; }
"""


class HtmlPage:
    """Collects the parts of a report in order; :meth:`write` writes the file.

    All text is plain text: nothing in a class name or a file name is read as HTML.

    Args:
        title: title of the page, and its first heading.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []
        self._tables: dict[str, tuple[Sequence[str], list[Sequence[Any]]]] = {}

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading; level 2 for a section, level 3 for a part of one."""
        self._parts.append(f'<h{level} id="{_slug(text)}">{html.escape(text)}</h{level}>')

    def paragraph(self, text: str, status: str = "") -> None:
        """Add a paragraph; ``status`` "ok", "warning" or "error" gives it a color."""
        mark = f' class="{html.escape(status)}"' if status else ""
        self._parts.append(f"<p{mark}>{html.escape(text)}</p>")

    def bullets(self, items: Iterable[str]) -> None:
        """Add a list of short texts."""
        lines = "".join(f"<li>{html.escape(item)}</li>" for item in items)
        self._parts.append(f"<ul>{lines}</ul>")

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        name: str | None = None,
        digits: int = 3,
        max_rows: int | None = None,
    ) -> None:
        """Add a table, with numbers aligned to the right.

        Args:
            columns: headings.
            rows: one value per column: text, int, float (written with ``digits``), or None for "-".
            name: where given, the same table is written unrounded as ``NAME.csv``, and linked.
            max_rows: largest number of rows on the page; the file has all.
        """
        rows = list(rows)
        head = "".join(f"<th>{html.escape(str(c))}</th>" for c in columns)
        body = "".join(
            f"<tr>{''.join(_cell(v, digits) for v in row)}</tr>" for row in rows[:max_rows]
        )
        self._parts.append(f"<table><tr>{head}</tr>{body}</table>")
        if max_rows is not None and len(rows) > max_rows:
            self._parts.append(f'<p class="data">and {len(rows) - max_rows:,} more</p>')
        if name:
            self._attach(name, columns, rows)

    def data(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, name: str) -> None:
        """Add a table that is too long for the page: only ``NAME.csv`` and a link to it."""
        self._attach(name, columns, list(rows))

    def figure(
        self,
        figure: Any,
        caption: str,
        *,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
    ) -> None:
        """Add a matplotlib figure as SVG, and its numbers as CSV.

        Args:
            figure: ``matplotlib.figure.Figure``, made without pyplot.
            caption: text below the figure.
            name: of the numbers' file, ``NAME.csv``.
            columns, rows: the numbers.
        """
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        svg = buffer.getvalue()
        svg = svg[svg.index("<svg") :]
        # matplotlib repeats its ids in every figure; in one document they must differ
        prefix = _slug(name)
        svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
        label = html.escape(caption)
        self._parts.append(f"<figure>{svg}<figcaption>{label}</figcaption></figure>")
        self._attach(name, columns, list(rows))

    def images(
        self,
        images: Iterable[tuple[np.ndarray, str]],
        *,
        side: int = 480,
        max_pixels: int = 1024,
    ) -> None:
        """Add a grid of images with captions, as JPEG inside the page.

        Args:
            images: pairs of an image, (H, W, 3) uint8 RGB, and its caption.
            side: least width of an image on the page, in CSS pixels.
            max_pixels: length of the longer side to which larger images are reduced.
        """
        content = "".join(
            f'<figure><img src="data:image/jpeg;base64,{_jpeg(image, max_pixels)}" '
            f'alt="{html.escape(caption)}" loading="lazy">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for image, caption in images
        )
        self._parts.append(f'<div class="images" style="--side: {side}px">{content}</div>')

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and its numbers into the folder ``STEM_data`` beside it.

        Files that were there before are replaced whole, the page last.

        Raises:
            OSError: the folder cannot be written to.
        """
        path = Path(path)
        folder = path.with_name(f"{path.stem}_data")
        for name, (columns, rows) in self._tables.items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([columns, *rows])
            write_whole(folder / f"{name}.csv", text.getvalue())
        body = "\n".join(self._parts).replace("{{data}}", quote(folder.name))
        title = html.escape(self.title)
        write_whole(
            path,
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{_STYLE}</style></head>\n"
            f"<body><h1>{title}</h1>\n{body}\n</body></html>\n",
        )
        return path

    def _attach(self, name: str, columns: Sequence[str], rows: list[Sequence[Any]]) -> None:
        assert name not in self._tables, f"two tables are called {name}"
        self._tables[name] = (columns, rows)
        link = f"{html.escape(name)}.csv"
        self._parts.append(f'<p class="data"><a href="{{{{data}}}}/{link}">{link}</a></p>')


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return '<td class="number">-</td>'
    if isinstance(value, str):
        return f"<td>{html.escape(value)}</td>"
    content = f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.{digits}f}"
    return f'<td class="number">{content}</td>'


def _jpeg(image: np.ndarray, max_pixels: int) -> str:
    scale = max_pixels / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return base64.b64encode(data.tobytes()).decode()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
