"""A disk with little room, and what may lie on it after a command has failed there."""

from __future__ import annotations

import builtins
import contextlib
import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import Image


@contextlib.contextmanager
def small_disk(folder: Path, free: int) -> Iterator[str]:
    """A folder in which only so many bytes can be written; says what the error will be.

    A tmpfs where this process may mount one, else Python's files are limited: what libraries in
    C++ write is not tested then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={max(-(-free // 4096), 1) * 4096},nr_inodes=4096"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if mounted:
        try:
            yield "No space left on device"
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    with _small_files(folder, free):
        yield os.strerror(errno.ENOSPC)


@contextlib.contextmanager
def _small_files(folder: Path, free: int) -> Iterator[None]:
    """Python's own files in the folder take so many bytes together, and are full then."""
    plain, room = builtins.open, [free]

    def limited(file: Any, *args: Any, **kwargs: Any) -> Any:
        opened = plain(file, *args, **kwargs)
        path = None if isinstance(file, int) else Path(os.fsdecode(file)).absolute()
        inside = path is not None and path.is_relative_to(folder)
        if inside and opened.writable() and "tfevents" not in str(path):  # TensorBoard's thread
            write = opened.write

            def write_some(data: Any) -> int:
                if len(data) > room[0]:
                    write(data[: room[0]])
                    opened.flush()
                    room[0] = 0
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                room[0] -= len(data)
                return write(data)

            opened.write = write_some
        return opened

    with mock.patch("builtins.open", limited), mock.patch("io.open", limited):
        yield


def damaged(folder: Path) -> list[str]:
    """The files that are empty, half, or temporary."""
    return [
        f"{path.relative_to(folder)} ({path.stat().st_size} bytes)"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_whole(path)
    ]


def _is_whole(path: Path) -> bool:
    if ".partial" in path.name or path.name.endswith((".tmp", ".part")):
        return False
    if path.suffix in (".log", ".lock"):  # a log has no end, a lock no content
        return True
    try:
        _read(path)
    except Exception:
        return False
    return os.path.getsize(path) > 0


def _read(path: Path) -> None:
    data = path.read_bytes()
    if path.suffix in (".jpg", ".png"):
        Image.open(path).load()
    elif path.suffix == ".jsonl" or (path.suffix == ".json" and path.parent.name == "vis_data"):
        assert data.endswith(b"\n")
        for line in data.splitlines():
            json.loads(line)
    elif path.suffix == ".json":
        json.loads(data)
    elif path.suffix == ".html":
        assert data.endswith(b"</html>\n")
    elif path.suffix == ".py":
        compile(data, path, "exec")
    elif path.suffix == ".csv":
        assert data.endswith(b"\n")
    elif path.suffix in (".pth", ".pt2"):
        import zipfile

        assert zipfile.ZipFile(path).testzip() is None
