"""Write a report as one HTML file that holds its text, tables, figures and images.

The page fetches nothing. The numbers behind a figure or a table are written as CSV into a folder
beside it; small ones are in the page too, so that it can be mailed alone.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from condinst.utils.files import write_whole
from condinst.utils.html_parts import (
    figure_parts,
    jpeg,
    matrix_table,
    page_text,
    slug,
    table_cell,
)

__all__ = ["HtmlPage"]

Panels = np.ndarray | Sequence[tuple[str, np.ndarray]]

_EMBEDDED = 50_000  # bytes of the largest CSV in the page
_TALL = 20  # rows from which a table scrolls in a box of its own


class HtmlPage:
    """Collects the parts of a report in order; :meth:`write` writes the file.

    All text is plain text: nothing in a class name or a file name is read as HTML.

    Args:
        title: title of the page, and its first heading.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []
        self._contents: list[tuple[str, str]] = []  # (id, text) of the sections
        self._heading = title
        self._ids: set[str] = set()
        self._tables: dict[str, tuple[Sequence[str], list[Sequence[Any]]]] = {}
        self._links: dict[str, int] = {}  # name -> index of the part that links to its CSV

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading; level 2 for a section, level 3 for a part of one."""
        name = self._id(text)
        self._heading = text
        if level == 2:
            self._contents.append((name, text))
        self._parts.append(f'<h{level} id="{name}">{html.escape(text)}</h{level}>')

    def paragraph(self, text: str, status: str = "") -> None:
        """Add a paragraph; ``status`` "ok", "warning" or "error" gives it a color."""
        mark = f' class="{html.escape(status)}"' if status else ""
        self._parts.append(f"<p{mark}>{html.escape(text)}</p>")

    def bullets(self, items: Iterable[str]) -> None:
        """Add a list of short texts."""
        lines = "".join(f"<li>{html.escape(item)}</li>" for item in items)
        self._parts.append(f"<ul>{lines}</ul>")

    def key_numbers(self, items: Iterable[tuple[str, str, str]]) -> None:
        """Add the few numbers that matter most, written large: (name, value, note)."""
        content = "".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
            + (f'<dd class="note">{html.escape(note)}</dd>' if note else "")
            + "</div>"
            for name, value, note in items
        )
        self._parts.append(f'<dl class="key">{content}</dl>')

    def facts(self, facts: Mapping[str, str]) -> None:
        """Add names with texts, which wrap on a narrow screen."""
        content = "".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd></div>"
            for name, text in facts.items()
        )
        self._parts.append(f'<dl class="facts">{content}</dl>')

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        name: str | None = None,
        digits: int = 3,
        max_rows: int | None = None,
        bars: Sequence[int] = (),
        full: float | None = None,
        sort: bool = True,
    ) -> None:
        """Add a table, with numbers aligned to the right.

        Args:
            columns: headings.
            rows: one value per column: text, int, float, or None for "-".
            name: where given, the same table is written unrounded as ``NAME.csv``, and linked.
            digits: digits of a float after the point; one less for each digit that is more than
                one before it.
            max_rows: largest number of rows on the page; the file has all.
            bars: indices of columns whose numbers are drawn as bars too.
            full: the number whose bar fills its cell; None for the largest one of the column.
            sort: whether a click on a heading sorts the rows.
        """
        rows = list(rows)
        shown = rows[:max_rows]
        kinds = [
            "number" if any(not isinstance(row[i], str) for row in shown) else "text"
            for i in range(len(columns))
        ]
        head = "".join(
            f'<th scope="col" class="{kind}">{html.escape(str(column))}</th>'
            for column, kind in zip(columns, kinds, strict=True)
        )
        tops = {i: full or max((row[i] or 0 for row in shown), default=0) for i in bars}
        body = "".join(
            "<tr>"
            + "".join(
                table_cell(value, digits, (value or 0) / tops[i] if tops.get(i) else None)
                for i, value in enumerate(row)
            )
            + "</tr>"
            for row in shown
        )
        mark = ' class="sort"' if sort and len(shown) > 2 else ""
        self._scroll(
            f"<table{mark}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
            "tall" if len(shown) > _TALL else "",
        )
        if len(shown) < len(rows):
            self._parts.append(f'<p class="data">and {len(rows) - len(shown):,} more</p>')
        if name:
            self._attach(name, columns, rows)

    def matrix(
        self, names: Sequence[str], values: np.ndarray, corner: str, shades: np.ndarray
    ) -> None:
        """Add a square table of counts, shaded; zeros stay empty.

        Args:
            names: of the rows and of the columns.
            values: (N, N) counts.
            corner: text above the names of the rows.
            shades: (N, N) fractions.
        """
        table = matrix_table(names, values, corner, shades)
        self._scroll(table, "tall" if len(names) > 25 else "")

    def data(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, name: str) -> None:
        """Add a table that is too long for the page: only ``NAME.csv`` and a link to it."""
        self._attach(name, columns, list(rows))

    @contextmanager
    def side_by_side(self) -> Iterator[None]:
        """Put the figures of the block beside each other where the screen is wide enough."""
        self._parts.append('<div class="charts">')
        yield
        self._parts.append("</div>")

    def figure(
        self,
        figure: Any,
        caption: str,
        *,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        text: str = "",
    ) -> None:
        """Add a matplotlib figure as SVG with its legend, and its numbers as CSV.

        Args:
            figure: ``matplotlib.figure.Figure``, made without pyplot in
                :func:`condinst.utils.svg_chart.chart_style`.
            caption: text below the figure.
            name: of the numbers' file, ``NAME.csv``.
            columns, rows: the numbers.
            text: what the figure shows, for readers who cannot see it.
        """
        place = self._id(f"figure {name}")
        content = figure_parts(figure, caption, text, place, self._id(f"after {name}"))
        self._parts.append(f'<figure class="chart shot" id="{place}">{content}')
        self._attach(name, columns, list(rows))
        self._parts.append("</figure>")

    def images(
        self,
        images: Iterable[tuple[Panels, str]],
        *,
        side: int = 480,
        max_pixels: int = 1024,
    ) -> None:
        """Add a grid of images with captions, as JPEG inside the page; a click enlarges one.

        Args:
            images: pairs of an image, (H, W, 3) uint8 RGB, and its caption; or of several (title,
                image) that stand beside each other, and their caption.
            side: least width of an image on the page, in CSS pixels.
            max_pixels: length of the longer side to which larger images are reduced.
        """
        grid = self._id(f"images {self._heading}")
        figures = []
        for content, caption in images:
            text = html.escape(caption)
            if isinstance(content, np.ndarray):
                media = f'<img src="{jpeg(content, max_pixels)}" alt="{text}">'
            else:
                parts = "".join(
                    f"<span><small>{html.escape(title)}</small><img "
                    f'src="{jpeg(panel, max_pixels)}" alt="{html.escape(title)}: {text}"></span>'
                    for title, panel in content
                )
                media = f'<span class="panels">{parts}</span>'
            name = self._id("image")
            figures.append(
                f'<figure class="shot" id="{name}"><a class="close" href="#{grid}">close</a>'
                f'<a class="zoom" href="#{name}">{media}</a>'
                f"<figcaption>{text}</figcaption></figure>"
            )
        self._parts.append(
            f'<div class="images" id="{grid}" style="--side: {side}px">{"".join(figures)}</div>'
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and its numbers into the folder ``STEM_data`` beside it.

        Files that were there before are replaced whole, the page last.

        Raises:
            OSError: the folder cannot be written to.
        """
        path = Path(path)
        folder = path.with_name(f"{path.stem}_data")
        if folder.is_symlink():  # in a folder from elsewhere, it may lead anywhere
            folder.unlink()
        outside = False
        for name, (columns, rows) in self._tables.items():
            buffer = io.StringIO()
            csv.writer(buffer, lineterminator="\n").writerows([columns, *rows])
            content = buffer.getvalue()
            write_whole(folder / f"{name}.csv", content)
            outside |= self._link(name, content, folder.name)
        write_whole(path, self._whole(folder.name if self._tables else "", outside))
        return path

    def _link(self, name: str, content: str, folder: str) -> bool:
        """Link to a CSV; return whether the link leads out of the page."""
        file, data = html.escape(f"{name}.csv"), content.encode("utf-8", "backslashreplace")
        if len(data) <= _EMBEDDED:
            target = f"data:text/csv;charset=utf-8;base64,{base64.b64encode(data).decode()}"
            link = f'<a download="{file}" href="{target}">{file}</a>'
        else:
            link = f'<a href="{quote(folder)}/{quote(name)}.csv">{html.escape(folder)}/{file}</a>'
        self._parts[self._links[name]] = f'<p class="data">{link}</p>'
        return len(data) > _EMBEDDED

    def _whole(self, folder: str, outside: bool) -> str:
        footer = ""
        if folder:
            footer = f"The numbers are also in the folder {folder} beside this page, as CSV."
            if outside:
                footer += " Links that begin with its name need that folder, so send both."
        return page_text(self.title, self._contents, "\n".join(self._parts), footer)

    def _scroll(self, table: str, more: str) -> None:
        label = html.escape(self._heading)
        self._parts.append(
            f'<div class="scroll {more}" role="region" tabindex="0" '
            f'aria-label="{label}">{table}</div>'
        )

    def _attach(self, name: str, columns: Sequence[str], rows: list[Sequence[Any]]) -> None:
        assert name not in self._tables, f"two tables are called {name}"
        self._tables[name] = (columns, rows)
        self._links[name] = len(self._parts)
        self._parts.append("")  # written with the page, when its name is known

    def _id(self, text: str) -> str:
        """Return an id that no other part of the page has."""
        start = name = slug(text) or "part"
        number = 1
        while name in self._ids:
            number += 1
            name = f"{start}-{number}"
        self._ids.add(name)
        return name
