"""Read csv files with commas, semicolons or tabs, limited in size."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from condinst.dataset_converters.folder import read_text

__all__ = ["csv_columns", "csv_head", "csv_header", "read_csv"]

_MAX_FIELD = 1 << 26  # characters; an RLE of a large image is long
_HEADER = 1 << 16


def csv_header(path: Path) -> list[str]:
    """Return the first row of a file, from its beginning; empty if the file is not text."""
    return next(iter(csv_head(path)), [])


def csv_head(path: Path, most: int = 20) -> list[list[str]]:
    """Return the first rows of a file, of which the last may be cut off."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return []
        with open(path, "rb") as file:
            data = file.read(_HEADER)
    except OSError:
        return []
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = data.decode(encoding, "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or "\0" in lines[0]:
        return []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(lines[0]))
        rows = (row for row in reader if any(field.strip() for field in row))
        return list(itertools.islice(rows, most))
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def csv_columns(header: Sequence[str]) -> dict[str, int]:
    """Return column name in lower case -> its place."""
    return {name.strip().lower(): place for place, name in enumerate(header)}


def read_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the header, and the rows that are not empty with the numbers of their lines.

    Raises:
        ValueError: the file is missing or not csv; the message names the file.
    """
    text = read_text(path)
    header = csv_header(path)
    delimiter = _delimiter(next((line for line in text.splitlines() if line.strip()), ","))
    return header, _rows(path, text, delimiter)


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    before = csv.field_size_limit(_MAX_FIELD)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        first = True
        for row in reader:
            if any(field.strip() for field in row):
                if not first:
                    yield reader.line_num, row
                first = False
    except csv.Error as error:
        raise ValueError(f"{path}: not a csv file: {error}") from None
    finally:
        csv.field_size_limit(before)
