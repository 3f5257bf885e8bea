"""Turn names from untrusted files into paths inside one folder."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

__all__ = ["NamesInFolder", "printable", "printable_lines", "safe_part"]

_MAX_PART = 150  # bytes, so that a suffix such as a tile's position still fits
_MAX_PARTS, _MAX_WHOLE = 16, 1000
# what Windows forbids, the separators, and control characters
_FORBIDDEN = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f]')
_WRITTEN = re.compile(r"\.(jpe?g|png|npy|jsonl?|mp4|partial)$", re.IGNORECASE)
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


class NamesInFolder:
    """Gives every name from a file a path of its own below a folder.

    ``..``, drives and roots are dropped, ``\\`` separates as ``/`` does, and characters that a file
    system may refuse are replaced. Names that would get the same path, or one that differs only in
    case, get a number. Other names keep their folders and their spelling.

    Args:
        folder: the folder of the paths; it need not exist.
        reserved: relative paths that are never given out.
    """

    def __init__(self, folder: str | os.PathLike[str], reserved: Iterable[str] = ()) -> None:
        self.folder = Path(folder)
        self._numbers = {_key(name): 1 for name in reserved}  # the last number given to each name

    def take(self, name: str) -> Path:
        """Return an unused path below the folder, without the ending of ``name``.

        The caller appends an ending (``with_name(path.name + ".png")``). Names that differ only by
        their ending get different paths too.

        Raises:
            ValueError: a folder on the way is a link that leads out of the folder.
        """
        wanted = free = "/".join(_parts(name))
        while _key(free) in self._numbers:
            self._numbers[_key(wanted)] += 1
            free = f"{wanted}-{self._numbers[_key(wanted)]}"
        self._numbers[_key(free)] = 1
        path = self.folder / free
        self._check_links(path)
        return path

    def _check_links(self, path: Path) -> None:
        if path.parent == self.folder:
            return
        inside, parent = os.path.realpath(self.folder), os.path.realpath(path.parent)
        if os.path.commonpath([inside, parent]) != inside:
            raise ValueError(
                f"{path.parent}: a link leads out of {self.folder}, to {parent}; remove the link, "
                "or choose another output folder"
            )


def safe_part(text: str) -> str:
    """Turn any text into one part of a path: 1 to 150 bytes, no separators, not only dots."""
    text = _FORBIDDEN.sub("_", _encodable(text)).strip(" ").rstrip(".")
    if not text:
        return "unnamed"
    if _DEVICES.match(text):
        text = f"_{text}"
    data = os.fsencode(text)
    if len(data) > _MAX_PART:
        start = data[: _MAX_PART - 9].decode("utf-8", "ignore")
        text = f"{start}-{hashlib.sha256(data).hexdigest()[:8]}"
    return text


def printable(name: object) -> str:
    """Return a name in one line, with control characters and other unprintable ones escaped."""
    text = str(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: object) -> str:
    """Return a text for the terminal: its lines as :func:`printable` makes them.

    The lines after the first are indented, so that a name with a line end in it cannot pass for a
    message of its own.
    """
    first, *others = map(printable, str(text).split("\n"))
    return "\n".join(
        [first, *(line if line[:1] in ("", " ", "(") else f"  {line}" for line in others)]
    )


def _parts(name: str) -> list[str]:
    """Return the folders and the file name without its ending, each made safe."""
    raw = re.sub(r"^[A-Za-z]:(?=[\\/])", "", name).replace("\\", "/").split("/")
    stem, dot, _ = raw[-1].rpartition(".")
    last = stem if dot and stem.strip(". ") else raw[-1]
    folders = [safe_part(part) for part in raw[:-1] if part.strip(". ")]
    # a folder must not have a name that a file might get
    folders = [f"{part}_" if _WRITTEN.search(part) else part for part in folders]
    parts = [*folders, safe_part(last)]
    whole = os.fsencode("/".join(parts))
    if len(parts) > _MAX_PARTS or len(whole) > _MAX_WHOLE:
        return [f"{parts[-1]}-{hashlib.sha256(whole).hexdigest()[:8]}"]
    return parts


def _encodable(text: str) -> str:
    """Replace characters that a file name cannot encode."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "".join("_" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def _key(path: str) -> str:
    """Return a key that is equal for paths that some file systems do not distinguish."""
    return unicodedata.normalize("NFC", path).casefold()
