"""Name the file that was meant, where a name has a typo."""

from __future__ import annotations

import difflib
import os

__all__ = ["did_you_mean"]

_MOST = 10_000  # entries of a folder that are compared


def did_you_mean(path: str | os.PathLike[str], kind: str = "any") -> str:
    """Return "; did you mean PATH?" for a path that is missing and has a neighbor, else "".

    Args:
        path: of the missing file or folder.
        kind: "file", "folder" or "any": what is expected there.
    """
    folder, name = os.path.split(os.fspath(path).rstrip("/"))
    try:
        with os.scandir(folder or ".") as entries:
            names = [
                entry.name
                for _, entry in zip(range(_MOST), entries, strict=False)
                if kind == "any" or entry.is_dir() == (kind == "folder")
            ]
    except (OSError, ValueError):
        return ""
    stem, ending = os.path.splitext(name)
    if kind == "file" and ending:  # which they share, and which makes short names look alike
        stems = {}
        for other in names:
            parts = os.path.splitext(other)
            if parts[1].lower() == ending.lower():
                stems[parts[0]] = other
    else:
        stem, stems = name, {other: other for other in names}
    close = difflib.get_close_matches(stem, stems, 1, 0.7)
    return f"; did you mean {os.path.join(folder, stems[close[0]])}?" if close else ""
