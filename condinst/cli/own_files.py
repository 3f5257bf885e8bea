"""Tell the files that a command wrote into a folder from those of others, which must stay."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from condinst.utils.files import names_file, read_regular

__all__ = ["OwnFiles"]


class OwnFiles:
    """The files of a folder that a command wrote, in this run or an earlier one.

    A list in the folder names them with their sizes. A file of another size was changed since, such
    as a draft that somebody has corrected, and is no longer the command's. The list names a file
    before it is written, so that a run that is killed leaves no file that the next one refuses to
    replace. Several processes may write to one folder.

    Args:
        option: the option that names the folder, for messages.
        folder: the folder, which need not be there.
        mark: name of the list.
        command: the command, for messages.

    Raises:
        ValueError: the list is a link, a pipe or a file of others, to which nothing may be added.
    """

    def __init__(self, option: str, folder: Path, mark: str, command: str) -> None:
        self.folder = folder
        self._option, self._command = option, command
        self._list = folder / mark
        self._heading = f"Written by {command}, with sizes in bytes:".encode()
        self._sizes: dict[str, int | None] = {}  # bytes; None while the file is being written
        self._read()

    def check(self, paths: Sequence[Path]) -> None:
        """Check that no file would be replaced that is not the command's.

        Args:
            paths: below the folder; the files need not be there.

        Raises:
            ValueError: the first such file.
        """
        others = [path for path in paths if self._is_of_others(path)]
        if others:  # another process may have written them since
            self._read()
            others = [path for path in others if self._is_of_others(path)]
        if not others:
            return
        name = self._name(others[0])
        if name in self._sizes:
            why = f"was changed after {self._command} had written it, and would be replaced"
        else:
            why = f"is not from {self._command}, and would be replaced"
        more = len(others) - 1
        also = f", as would {more} other file{'s' * (more > 1)}" if more else ""
        raise ValueError(
            f"{self._option} {self.folder}: {name} there {why}{also}; choose another folder"
        )

    @contextmanager
    def writing(self, paths: Sequence[Path]) -> Iterator[None]:
        """List the files that the block writes; its folder is made if needed.

        Raises:
            ValueError: see :meth:`check`.
            OSError: the list cannot be written.
        """
        self.begin(paths)
        try:
            yield
        finally:
            self.end(paths)

    def begin(self, paths: Sequence[Path]) -> None:
        """List files before they are written; their folder is made if needed.

        Raises:
            ValueError: see :meth:`check`.
            OSError: the list cannot be written.
        """
        if not paths:
            return
        self.check(paths)
        with names_file(self._list):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._append(dict.fromkeys(map(self._name, paths)))

    def end(self, paths: Sequence[Path]) -> None:
        """Add the sizes of the files that have been written to the list, if there is room."""
        sizes = {self._name(path): _size(path) for path in paths}
        sizes = {name: size for name, size in sizes.items() if size is not None}
        if sizes:
            with suppress(OSError):  # a name without a size is the command's too
                self._append(sizes)

    def _is_of_others(self, path: Path) -> bool:
        size = _size(path)
        if size is None:
            return False
        name = self._name(path)
        return name not in self._sizes or self._sizes[name] not in (None, size)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _read(self) -> None:
        try:
            content = read_regular(self._list) if not self._list.is_symlink() else None
        except ValueError:
            content = None
        except OSError:
            return
        # a process that has just begun leaves it empty for a moment
        if content is None or (content and not content.startswith(self._heading)):
            raise ValueError(
                f"{self._option} {self.folder}: {self._list.name} there is not from "
                f"{self._command}; choose another folder"
            )
        # two processes that begin together write two headings
        for line in content.replace(self._heading, b"\n").splitlines():
            # half a line of a full disk, or of others
            with suppress(ValueError, TypeError, RecursionError):
                name, size = json.loads(line)
                self._sizes[name] = size

    def _append(self, sizes: dict[str, int | None]) -> None:
        self._sizes.update(sizes)
        data = "".join(f"\n{json.dumps([name, size])}" for name, size in sizes.items()).encode()
        # one write, so that the lines of several processes do not mix; the line end comes first,
        # so that half a line before it harms nothing
        is_new = False
        try:
            with self._list.open("ab", buffering=0) as file:
                is_new = not file.tell()
                if is_new:
                    data = self._heading + data
                if file.write(data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            if is_new:  # half a heading on a full disk
                self._list.unlink(missing_ok=True)
            raise


def _size(path: Path) -> int | None:
    """Return the bytes of a file, or of a link itself; None if nothing is there."""
    try:
        return os.lstat(path).st_size
    except (OSError, ValueError):
        return None
