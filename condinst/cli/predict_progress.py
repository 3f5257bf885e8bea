"""Show how far ``condinst predict`` is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.cli.predict_share import Share
from condinst.utils.names import printable
from condinst.utils.words import counted

if TYPE_CHECKING:
    from condinst.results.results import Results

__all__ = ["show_progress"]

_FIRST_LINE, _NEXT_LINE = 10, 60  # seconds


def show_progress(
    stream: Iterator[Results], total: int, share: Share, of_all: int | None = None
) -> Iterator[Results]:
    """Pass results on; in the first process, show the progress in a line.

    A terminal's line changes with each image. A file gets a line after 10 s, and one a minute.

    Args:
        stream: the results of this process.
        total: their number; 0 if it is not known.
        share: the part of this process.
        of_all: number of the images of all processes; None for a video, which is not shared.
    """
    shown = share.is_first
    terminal = shown and sys.stderr.isatty()
    due = time.monotonic() + _FIRST_LINE
    whose = share.whose(of_all)
    for number, results in enumerate(stream, start=1):
        yield results
        if shown and not terminal and time.monotonic() > due:
            due = time.monotonic() + _NEXT_LINE
            of = f" of {total:,}" if total else ""
            print(f"predicted  {number:,}{of}{whose}", file=sys.stderr, flush=True)
        if terminal:
            name = printable(Path(results.path).name) if results.path else "frame"
            text = f"{number} of {total}{whose}  {name[:40]}  {counted(len(results), 'instance')}"
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
    if terminal and total:
        print(file=sys.stderr)
