"""One training at a time in a work folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FolderInUse", "one_run_in"]

_NAME = ".training.lock"


class FolderInUse(ValueError):
    """Another training runs in the folder."""


@contextlib.contextmanager
def one_run_in(folder: str | os.PathLike[str]) -> Iterator[str | None]:
    """Keep other trainings out of a folder, which is made if need be.

    The operating system holds the lock (``fcntl.lockf``, which works over NFS too) and releases it
    when this process ends, however it does. Data workers do not inherit it. The file stays where it
    is and says who has or had the lock.

    Yields:
        None; where the file system or the system has no locks, why.

    Raises:
        FolderInUse: naming the process that has it.
    """
    path = Path(folder) / _NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield "this system has no fcntl"
        return
    try:
        file = path.open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        yield str(error)
        return
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise FolderInUse(
                f"work_dir {folder}: another training runs in this folder{_read_holder(file)}; "
                "wait for it, or choose another folder by --work-dir"
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
    """Who has the lock, as far as its file says so."""
    try:
        file.seek(0)
        holder = json.loads(file.read(1000))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder["since"])))
        return f": process {int(holder['pid'])} on {str(holder['host'])[:100]}, since {since}"
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return ""
