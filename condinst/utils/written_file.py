"""Find the file that was being written when the disk refused it."""

from __future__ import annotations

import io
import logging
import os
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from condinst.utils.files import CANNOT_WRITE, is_disk_error

__all__ = ["disk_error_text"]

_NO_TEMPORARY = "No usable temporary directory"  # of Python's tempfile
_NAMES = ("path", "file_path", "filepath", "filename", "file_name", "file", "out_file", "temporary")


def disk_error_text(error: OSError) -> str | None:
    """Return the text of an error of writing, with the file that was being written; else None.

    Write calls of the system name no file: neither a full disk's error nor that of a limit on the
    size of files (``ulimit -f``). The file is then one that the failed function holds.
    """
    text = str(error)
    if _NO_TEMPORARY in text:
        return (
            "temporary files cannot be written, in any of the usual folders: the disk is full, or "
            "the limit on the size of files (ulimit -f) is too low; TMPDIR names another folder"
        )
    if CANNOT_WRITE in text:  # also when the folder was moved or removed meanwhile
        return text
    if not is_disk_error(error):
        return None
    if error.filename is not None or not text.startswith("[Errno"):
        return text
    reason = f"cannot be written: {os.strerror(error.errno or 0)}"
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        if name := _file_of(frame):
            return f"{name}: {reason}"
    return f"a file {reason}"


def _file_of(frame: FrameType) -> str | None:
    values = frame.f_locals
    for value in values.values():
        if name := _open_file(value):
            return name
    for name in _NAMES:
        if isinstance(value := values.get(name), str | Path) and str(value):
            return str(value)
    return None


def _open_file(value: Any) -> str | None:
    if isinstance(value, logging.FileHandler):
        return value.baseFilename
    if isinstance(value, io.IOBase):  # closed, if a with block was left
        name, mode = getattr(value, "name", None), str(getattr(value, "mode", "w"))
        if not set(mode) & set("wax+"):
            return None
        # standard output and error are called <stdout> and <stderr>, and a descriptor is a number
        return name if isinstance(name, str) else None
    return None
