"""Allow one training at a time in a work folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from condinst.utils.temporary_file import open_own

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FolderInUse", "lock_work_dir"]

_NAME = ".training.lock"


class FolderInUse(ValueError):
    """Another training runs in the folder."""


@contextlib.contextmanager
def lock_work_dir(folder: str | os.PathLike[str]) -> Iterator[str | None]:
    """Lock a work folder for this training; the folder is made if needed.

    The operating system holds the lock (``fcntl.lockf``, which works over NFS too) and releases it
    when this process ends, in whatever way. Data workers do not inherit it. The file stays in the
    folder and names the process that has or had the lock.

    Yields:
        None, or why there is no lock: the system or the file system has none.

    Raises:
        FolderInUse: another training has the lock; the message names its process.
    """
    path = Path(folder) / _NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield "this system has no fcntl"
        return
    try:
        descriptor = open_own(path)  # of a stranger's folder, it may be a link to another file
        file = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
    except OSError as error:
        yield str(error)
        return
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise FolderInUse(
                f"work_dir {folder}: another training runs in this folder{_read_holder(file)}; "
                "wait for it, or choose another folder with --work-dir"
            ) from None
        except OSError as error:  # a network file system without locks
            yield str(error)
            return
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        file.truncate(0)
        file.write(json.dumps(holder) + "\n")
        file.flush()
        yield None


def _read_holder(file) -> str:
    """Describe the process that has the lock, as far as the file names it."""
    try:
        file.seek(0)
        holder = json.loads(file.read(1000))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder["since"])))
        return f": process {int(holder['pid'])} on {str(holder['host'])[:100]}, since {since}"
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return ""
