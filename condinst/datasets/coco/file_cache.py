"""What the look through the data read, kept until the dataset is built from it.

A file of COCO's size takes a quarter of a minute. A process that checks its data and then trains
reads each file once: whoever builds takes the file out, so that it is not kept after that.
"""

from __future__ import annotations

import os

from condinst.datasets.coco.coco_file import read_coco_file
from condinst.datasets.coco.coco_records import CocoFile

__all__ = ["forget_files", "keep_file", "mark_of", "take_file"]

_MOST = 4  # files kept; who only checks, takes none
_kept: dict[str, tuple[tuple[int, int], CocoFile]] = {}


def keep_file(file: CocoFile, mark: tuple[int, int]) -> None:
    """Keep a file for :func:`take_file`.

    Args:
        file: as it was read.
        mark: :func:`mark_of` of its path, asked before it was read.
    """
    _kept[os.path.abspath(file.path)] = (mark, file)
    while len(_kept) > _MOST:
        del _kept[next(iter(_kept))]


def take_file(path: str) -> CocoFile:
    """The records of a file, from here where it has not changed since, else read.

    Raises ValueError as :func:`condinst.datasets.coco.coco_file.read_coco_file` does.
    """
    mark, file = _kept.pop(os.path.abspath(path), (None, None))
    if file is not None and mark == mark_of(path):
        return file
    return read_coco_file(path)


def forget_files() -> None:
    """Free what nobody has taken."""
    _kept.clear()


def mark_of(path: str) -> tuple[int, int]:
    """Changes when somebody writes the file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return (0, 0)
    return found.st_mtime_ns, found.st_size
