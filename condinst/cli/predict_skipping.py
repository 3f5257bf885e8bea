"""Say which files ``condinst predict`` leaves out."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from condinst.utils.names import printable
from condinst.utils.words import without_error_numbers

__all__ = ["skipping"]


class _Skipped:
    """Says which files are left out, one line each, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, reason: str) -> None:
        self.count += 1
        text = printable(without_error_numbers(reason))
        print(f"warning: skipped: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def skipping() -> Iterator[_Skipped]:
    """Print the predictor's warnings of skipped images without a place in our source."""
    from condinst.inference.base import SkippedWarning

    skipped = _Skipped()
    with warnings.catch_warnings():
        warnings.simplefilter("always", SkippedWarning)
        show = warnings.showwarning

        def say(message: Any, category: type[Warning], *place: Any, **others: Any) -> None:
            if issubclass(category, SkippedWarning):
                skipped(str(message).removeprefix("skipped: "))
            else:
                show(message, category, *place, **others)

        warnings.showwarning = say
        yield skipped
