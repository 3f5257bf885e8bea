"""Files written whole or not at all, and places checked before the work starts."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "check_html",
    "check_regular",
    "check_writable",
    "flush",
    "is_disk_error",
    "names_file",
    "read_regular",
    "replacing",
    "write_whole",
]

# a full disk, a used-up quota, a limit of the file's size, a disk that went read-only
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_SAYS = ": cannot be written: "
_MAX_NAME = 255  # bytes, of the usual file systems
_FULL = 1 << 16  # bytes that are free when a writer that does not say so has met a full disk


@contextmanager
def replacing(path: str | os.PathLike[str], suffix: str = "") -> Iterator[Path]:
    """The name of a temporary file beside ``path``, which takes its place at the end of the block.

    The block writes and closes the file. It is flushed to the disk and renamed then, so that
    whoever reads ``path`` finds the old file or the new one, whole. Whatever goes wrong, the
    temporary is removed and the old file stays. A link at ``path`` is replaced, not followed.

    Args:
        path: the file; its folder is made if needed.
        suffix: ending of the temporary, for writers that choose their format by it.

    Raises:
        OSError: it cannot be written; names ``path``, whatever the writer's error named.
    """
    path = Path(path)
    temporary = path.with_name(_temporary_name(path.name, suffix))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _told(path, error.errno or 0, type(error), error.strerror) from error
    with names_file(path, temporary):
        temporary.unlink(missing_ok=True)  # of a killed run, or a link to somewhere else
        try:
            yield temporary
            flush(temporary)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file whole or not at all, text as UTF-8 with line ends as they are.

    Raises:
        OSError: it cannot be written; names the file, and what was there before is untouched.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def names_file(path: str | os.PathLike[str], temporary: Path | None = None) -> Iterator[None]:
    """Let what goes wrong in writing name the file that the user knows.

    Libraries write under names of their own, tell no name, or raise RuntimeError for a full disk.
    Errors of other files, which the block may read, pass as they are.

    Args:
        temporary: the name under which the block writes, if it is another.

    Raises:
        OSError: of the same errno.
    """
    try:
        yield
    except OSError as error:
        own = error.filename is None or os.fspath(error.filename) in (str(path), str(temporary))
        if error.errno is None or _SAYS in str(error) or not (own or error.errno in _DISK_ERRORS):
            raise
        raise _told(path, error.errno, type(error), error.strerror) from error
    except RuntimeError as error:
        if not _is_full(Path(path).parent):
            raise
        raise _told(path, errno.ENOSPC) from error


def is_disk_error(error: BaseException) -> bool:
    """Whether a disk that is full, over its quota or read-only is the cause."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file; a pipe or device, which may never end, is refused.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else than a file.
        OSError: it cannot be read.
    """
    check_regular(path)
    return Path(path).read_bytes()


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raises ValueError, without the name, for what is neither a file nor missing."""
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind != stat.S_IFREG:
        what = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        raise ValueError(f"is a {what.get(kind, 'device')}, expected a file")


def check_writable(what: str, path: Path) -> None:
    """Refuse a folder that exists but cannot be written to, or cannot be made.

    Raises:
        ValueError: naming ``what`` it was for.
    """
    path = path.absolute()
    try:
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
    except (OSError, ValueError) as error:  # a name that no file system takes
        raise ValueError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from error
    if not existing.is_dir():
        raise ValueError(f"{what} {path}: {existing} is a file, expected a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{what} {path}: no permission to write in {existing}")


def check_html(what: str, path: Path) -> None:
    """Refuse another ending than a page's, or a folder that cannot be written to.

    Raises:
        ValueError: naming ``what`` it was for.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{what} {path}: the page is an .html file")
    check_writable(what, path.parent)


def _told(
    path: str | os.PathLike[str],
    number: int,
    kind: type[OSError] = OSError,
    reason: str | None = None,
) -> OSError:
    told = kind(f"{os.fspath(path)}{_SAYS}{reason or os.strerror(number)}")
    told.errno = number
    return told


def _temporary_name(name: str, suffix: str) -> str:
    """The same for the same file: what a killed run left is replaced, not heaped up."""
    ending = f".partial{suffix}"
    if len(os.fsencode(name)) + len(ending) > _MAX_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return name + ending


def flush(path: str | os.PathLike[str]) -> None:
    """Let a file reach the disk: before its new name does, and a full disk may tell only here."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False
