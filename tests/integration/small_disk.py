"""A disk with little room, and what may lie on it after a command has failed there."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from PIL import Image


@contextlib.contextmanager
def small_disk(folder: Path, free: int) -> Iterator[str]:
    """A folder in which only so many bytes can be written; says what the error will be.

    A tmpfs where this process may mount one, else a limit of every file's size.
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
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, limits[1]))
    try:
        yield "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


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
