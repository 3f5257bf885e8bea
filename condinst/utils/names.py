"""Names that come from files of others -> paths that stay inside one folder."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

__all__ = ["NamesInFolder", "printable", "safe_part"]

_MAX_PART = 150  # bytes: room for what is appended, such as the place of a tile
_MAX_PARTS, _MAX_WHOLE = 16, 1000
# what Windows forbids, the separators, and control characters
_FORBIDDEN = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f]')
_WRITTEN = re.compile(r"\.(jpe?g|png|npy|jsonl?|mp4|partial)$", re.IGNORECASE)
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


class NamesInFolder:
    """Hands out paths below a folder for names from a file, another one for every name.

    ``..``, drives and roots are dropped, ``\\`` separates as ``/`` does, and what a file system may
    refuse is replaced. Names that would meet, also where only their case differs, get a number.
    A name that needs none of that keeps its folders and its spelling.

    Args:
        folder: where the paths lie; it need not exist.
        reserved: relative paths that are never handed out.
    """

    def __init__(self, folder: str | os.PathLike[str], reserved: Iterable[str] = ()) -> None:
        self.folder = Path(folder)
        self._numbers = {_key(name): 1 for name in reserved}  # the last that was given to a name

    def take(self, name: str) -> Path:
        """A path below the folder that nobody has, without the ending of ``name``.

        Whoever writes appends the ending (``with_name(path.name + ".png")``): names that differ by
        their ending alone are told apart, too.

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
    """One part of a path, from any text: at most 150 bytes, no separators, never empty or dots."""
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
    """A name on one line, without what moves a terminal's cursor or cannot be encoded."""
    text = str(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _parts(name: str) -> list[str]:
    """The folders and the file name without its ending, all of them safe."""
    raw = re.sub(r"^[A-Za-z]:(?=[\\/])", "", name).replace("\\", "/").split("/")
    stem, dot, _ = raw[-1].rpartition(".")
    last = stem if dot and stem.strip(". ") else raw[-1]
    folders = [safe_part(part) for part in raw[:-1] if part.strip(". ")]
    # a folder has no name that a file might get
    folders = [f"{part}_" if _WRITTEN.search(part) else part for part in folders]
    parts = [*folders, safe_part(last)]
    whole = os.fsencode("/".join(parts))
    if len(parts) > _MAX_PARTS or len(whole) > _MAX_WHOLE:
        return [f"{parts[-1]}-{hashlib.sha256(whole).hexdigest()[:8]}"]
    return parts


def _encodable(text: str) -> str:
    """The text with what has no bytes in a file name replaced."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "".join("_" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def _key(path: str) -> str:
    """Equal for paths that are one on a file system that ignores case or composition."""
    return unicodedata.normalize("NFC", path).casefold()
