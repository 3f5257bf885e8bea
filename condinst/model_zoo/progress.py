"""Print the progress of a download: a line that is updated on a terminal, else one plain line."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """Prints the progress of one download.

    Args:
        name: name of the file.
        size: bytes that an earlier attempt has left.
        total: bytes of the whole file, None if the server does not say.
        stream: where to print; standard error when None.
    """

    def __init__(self, name: str, size: int, total: int | None, stream: TextIO | None = None):
        self.name, self.first, self.total = name, size, total
        self.stream = sys.stderr if stream is None else stream
        self.start = self.last = time.monotonic()
        self.renews = self.stream.isatty()
        if not self.renews:
            resumed = f", the first {_mb(size)} are there" if size else ""
            whole = "size unknown" if total is None else _mb(total)
            self._print(f"downloading {name} ({whole}{resumed})\n")

    def update(self, size: int) -> None:
        """Set the number of bytes that have arrived; print at most ten times a second."""
        now = time.monotonic()
        if self.renews and now - self.last >= 0.1:
            self.last = now
            self._print("\r" + self._line(size, now) + "\x1b[K")

    def close(self, size: int) -> None:
        """End the line, so that later output starts on a new one."""
        if self.renews:
            self._print("\r" + self._line(size, time.monotonic()) + "\x1b[K\n")

    def _line(self, size: int, now: float) -> str:
        speed = (size - self.first) / max(now - self.start, 1e-6)
        done = f"{size / self.total:4.0%} of {_mb(self.total)}" if self.total else _mb(size)
        return f"{self.name}  {done}  {_mb(int(speed))}/s"

    def _print(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def _mb(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB"
