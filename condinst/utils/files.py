"""Write files whole or not at all, and check paths before the work starts."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from condinst.utils.temporary_file import claim_temporary

__all__ = [
    "CANNOT_WRITE",
    "check_html",
    "check_replaceable",
    "check_regular",
    "check_writable",
    "flush",
    "is_disk_error",
    "names_file",
    "read_regular",
    "replacing",
    "write_whole",
]

# full disk, exceeded quota, exceeded file size limit, read-only disk
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
CANNOT_WRITE = ": cannot be written: "
"""What stands behind the file's name in the errors of this module."""
_FULL = 1 << 16  # bytes: with fewer free, a writer's RuntimeError is taken for a full disk


@contextmanager
def replacing(path: str | os.PathLike[str], suffix: str = "") -> Iterator[Path]:
    """Yield the path of a temporary file, which replaces ``path`` at the end of the block.

    The block writes and closes the temporary file. It is then flushed to the disk and renamed, so
    that a reader of ``path`` finds either the old file or the new one, whole. If anything fails,
    the temporary file is removed and the old file stays. A link at ``path`` is replaced, not
    followed.

    Args:
        path: the file; its folder is made if needed.
        suffix: ending of the temporary, for writers that choose their format by it.

    Raises:
        OSError: the file cannot be written; the message names ``path``, not the temporary file.
    """
    path = Path(path)
    check_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = claim_temporary(path, suffix)
    except OSError as error:
        raise _write_error(path, error.errno or 0, type(error), error.strerror) from error
    try:
        with names_file(path, temporary):
            try:
                yield temporary
                flush(temporary)
                os.replace(temporary, path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
    finally:  # from here on, another process may use the temporary's name
        if lock is not None:
            os.close(lock)


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file whole or not at all, text as UTF-8 with line ends as they are.

    A character of a name that is not UTF-8 becomes ``\\udcff``, which JSON and Python read as it.

    Raises:
        OSError: the file cannot be written; the message names it, and an existing file is
            untouched.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def names_file(path: str | os.PathLike[str], temporary: Path | None = None) -> Iterator[None]:
    """Make errors of writing name the file that the user knows.

    Libraries write under names of their own, name no file in an error, or raise RuntimeError for a
    full disk. Errors about other files, which the block may read, pass unchanged.

    Args:
        path: the file that the user knows.
        temporary: the path that the block writes to, if it is another.

    Raises:
        OSError: with the same errno.
    """
    try:
        yield
    except OSError as error:
        own = error.filename is None or os.fspath(error.filename) in (str(path), str(temporary))
        if error.errno is None or CANNOT_WRITE in str(error):
            raise
        if not own and error.errno not in _DISK_ERRORS:
            raise
        raise _write_error(path, error.errno, type(error), error.strerror) from error
    except RuntimeError as error:
        if not _is_full(Path(path).parent):
            raise
        raise _write_error(path, errno.ENOSPC) from error


def is_disk_error(error: BaseException) -> bool:
    """Tell whether an error means that the disk is full, over its quota or read-only."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Read a regular file; a pipe or device, which may never end, is refused.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the path is not a regular file.
        OSError: the file cannot be read.
    """
    check_regular(path)
    return Path(path).read_bytes()


def check_regular(path: str | os.PathLike[str]) -> None:
    """Check that a path is a regular file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the path is not a regular file; the message does not name the path.
    """
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind != stat.S_IFREG:
        what = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        raise ValueError(f"is a {what.get(kind, 'device')}, expected a file")


def check_writable(what: str, path: Path) -> None:
    """Check that a folder can be written to, or can be made.

    Args:
        what: the option or config key that names the folder, for the message.
        path: the folder.

    Raises:
        ValueError: the folder cannot be written to.
    """
    path = path.absolute()
    try:
        existing = next(folder for folder in (path, *path.parents) if _is_there(folder))
        kind = os.stat(existing).st_mode
    except FileNotFoundError:
        raise ValueError(
            f"{what} {path}: {existing} is a link to {os.readlink(existing)}, which does not exist"
        ) from None
    except (OSError, ValueError) as error:  # an impossible name, or a link to itself
        raise ValueError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISDIR(kind):
        raise ValueError(f"{what} {path}: {existing} is a file, expected a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{what} {path}: no permission to write in {existing}")
    if existing != path:  # some file systems take no folders, whatever the permissions say
        try:
            os.rmdir(tempfile.mkdtemp(dir=existing))
        except OSError as error:
            raise ValueError(f"{what} {path}: cannot be made: {error.strerror}") from error


def check_html(what: str, path: Path) -> None:
    """Check that a path ends in .html or .htm, and lies in a folder that can be written to.

    Args:
        what: the option that names the file, for the message.
        path: the file.

    Raises:
        ValueError: the path has another ending, or the folder cannot be written to.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{what} {path}: the page is an .html file")
    check_writable(what, path.parent)


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Refuse a device or pipe, which the new file would remove from the system.

    Raises:
        OSError: the path is one.
    """
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except (OSError, ValueError):  # nothing is there, or nothing can be
        return
    if kind not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):
        raise _write_error(path, errno.EINVAL, reason="is a device or pipe, expected a file")


def _is_there(path: Path) -> bool:
    """Tell whether there is something at a path, be it a link that leads nowhere."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _write_error(
    path: str | os.PathLike[str],
    number: int,
    kind: type[OSError] = OSError,
    reason: str | None = None,
) -> OSError:
    named = kind(f"{os.fspath(path)}{CANNOT_WRITE}{reason or os.strerror(number)}")
    named.errno = number
    return named


def flush(path: str | os.PathLike[str]) -> None:
    """Write a file's content to the disk; some systems report a full disk only here."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False
