"""Keep the files that the data check has read until the dataset is built.

Reading a file of COCO's size takes a quarter of a minute. A process that checks its data and then
trains reads each file once: building the dataset takes the records out of this cache.
"""

from __future__ import annotations

import os

from condinst.datasets.coco.coco_file import read_unnamed
from condinst.datasets.coco.coco_records import CocoFile

__all__ = ["forget_files", "keep_file", "mark_of", "take_file"]

_MOST = 4  # files kept; a process that only checks never takes one out
_kept: dict[str, tuple[tuple[int, int], CocoFile]] = {}


def keep_file(file: CocoFile, mark: tuple[int, int]) -> None:
    """Keep a file for :func:`take_file`.

    Args:
        file: the records.
        mark: :func:`mark_of` of the path before the file was read.
    """
    _kept[os.path.abspath(file.path)] = (mark, file)
    while len(_kept) > _MOST:
        del _kept[next(iter(_kept))]


def take_file(path: str) -> CocoFile:
    """Take the records of a file from the cache, or read it if it is not there or has changed.

    Raises:
        ValueError: see :func:`condinst.datasets.coco.coco_file.read_unnamed`.
    """
    mark, file = _kept.pop(os.path.abspath(path), (None, None))
    if file is not None and mark == mark_of(path):
        return file
    return read_unnamed(path)


def forget_files() -> None:
    """Empty the cache."""
    _kept.clear()


def mark_of(path: str) -> tuple[int, int]:
    """Return the modification time and size of a file, which change when it is written."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return (0, 0)
    return found.st_mtime_ns, found.st_size
