"""The temporary file beside a file that is being written, one for each writer at a time."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be renamed either
    fcntl = None  # type: ignore[assignment]

__all__ = ["claim_temporary", "open_own"]

_MAX_NAME = 255  # bytes, of the usual file systems
_BUSY = (errno.EACCES, errno.EAGAIN)


def claim_temporary(path: Path, suffix: str = "") -> tuple[Path, int | None]:
    """Make an empty temporary file in the folder of ``path``, which no other process writes to.

    Its name follows from that of the file, so that what a killed run left is used again. While
    another process writes the same file, the name has a number.

    Args:
        path: the file.
        suffix: ending of the temporary.

    Returns:
        The temporary, and the descriptor that locks it until it is closed; None where the system
        has no locks.

    Raises:
        OSError: the temporary file cannot be made.
    """
    for number in itertools.count():
        temporary = path.with_name(_name(path.name, str(number or ""), suffix))
        descriptor = _open(temporary)
        if fcntl is None:
            os.close(descriptor)
            return temporary, None
        if _lock(descriptor, temporary):
            os.ftruncate(descriptor, 0)
            return temporary, descriptor
        os.close(descriptor)
    raise AssertionError  # never: the numbers do not end


def _name(name: str, number: str, suffix: str) -> str:
    ending = f".partial{number}{suffix}"
    if len(os.fsencode(name)) + len(ending) > _MAX_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return name + ending


def open_own(path: str | os.PathLike[str]) -> int:
    """Open a file for reading and writing; a link, pipe or device in its place is removed first.

    Returns:
        The descriptor. A new file is empty.

    Raises:
        OSError: the file cannot be opened, or is a folder.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link; a device that is not there
            raise
    else:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    os.unlink(path)
    return os.open(path, flags | os.O_EXCL, 0o666)


def _open(temporary: Path) -> int:
    try:
        return open_own(temporary)
    except PermissionError:  # left by another user
        temporary.unlink()
        return open_own(temporary)


def _lock(descriptor: int, temporary: Path) -> bool:
    """Lock an open file; False if another process has it, or has renamed it meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _BUSY  # some network file systems have no locks
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(temporary))
    except FileNotFoundError:
        return False
