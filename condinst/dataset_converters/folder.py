"""A folder's files, listed once and in the same order on every file system."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from condinst.dataset_converters.json_kind import Sniffed, sniff
from condinst.datasets.coco.json_stream import load_json
from condinst.images.sources import IMAGE_SUFFIXES

__all__ = ["Folder", "read_json", "read_text", "read_yaml", "stated_part"]

_MAX_YAML_VALUES = 100_000
_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Folder:
    """All files below ``root``, as sorted paths relative to it with forward slashes.

    Hidden files and folders are left out. ``root`` is absolute.
    """

    root: Path
    files: tuple[str, ...]

    @classmethod
    def listed(cls, root: Path, without: Path | None = None) -> Folder:
        """Links to folders are followed, each folder once; the folder ``without`` is left out."""
        root = Path(os.path.abspath(root))
        files: list[str] = []
        seen = {os.path.realpath(without)} if without is not None and without != root else set()
        for folder, names, leaves in os.walk(root, followlinks=True):
            names[:] = sorted(n for n in names if not n.startswith(".") and n != "__MACOSX")
            real = os.path.realpath(folder)
            if real in seen:
                names.clear()
                continue
            seen.add(real)
            base = Path(folder).relative_to(root).as_posix()
            prefix = "" if base == "." else base + "/"
            files += [prefix + leaf for leaf in leaves if not leaf.startswith(".")]
        return cls(root, tuple(sorted(files)))

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The files whose name ends so; lower case."""
        return [file for file in self.files if file.lower().endswith(suffixes)]

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The files named like an image."""
        return tuple(self.with_suffix(*sorted(IMAGE_SUFFIXES)))

    @cached_property
    def image_set(self) -> frozenset[str]:
        return frozenset(self.images)

    @cached_property
    def json_kinds(self) -> dict[str, list[str]]:
        """Kind of annotations (see :class:`Sniffed`) -> the json files of that kind."""
        kinds: dict[str, list[str]] = {}
        for file in self.with_suffix(".json"):
            kinds.setdefault(self.sniffed(file).kind or "", []).append(file)
        return kinds

    @cached_property
    def _sniffed(self) -> dict[str, Sniffed]:
        return {}

    def sniffed(self, file: str) -> Sniffed:
        """What kind of annotations a json file has; it is opened once."""
        if file not in self._sniffed:
            self._sniffed[file] = sniff(self.root / file)
        return self._sniffed[file]

    @cached_property
    def by_stem(self) -> dict[str, str]:
        """Path without its ending -> an image."""
        return {os.path.splitext(image)[0]: image for image in reversed(self.images)}

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Base name -> the images of that name."""
        index: dict[str, list[str]] = {}
        for image in self.images:
            index.setdefault(PurePosixPath(image).name, []).append(image)
        return index

    def find_image(self, name: str, beside: str = "") -> str | None:
        """The image that an annotation file calls ``name``; None when there is none, or several.

        Args:
            name: a path, absolute or relative, of this machine or of another, with either slash.
            beside: the folder of the annotation file, relative to the root.
        """
        name = name.replace("\\", "/")
        joined = os.path.normpath(os.path.join(beside, name)).replace("\\", "/")
        if joined in self.image_set:
            return joined
        found = self.by_name.get(PurePosixPath(name).name, [])
        if len(found) > 1:  # the one that shares most of the path's end
            tails = [_common_tail(name, path) for path in found]
            best = max(tails)
            found = [p for p, tail in zip(found, tails, strict=True) if tail == best]
        if len(found) > 1:
            found = [p for p in found if str(PurePosixPath(p).parent) == (beside or ".")]
        return found[0] if len(found) == 1 else None

    def files_named(self, name: str) -> list[str]:
        """The files of that base name."""
        return [file for file in self.files if PurePosixPath(file).name == name]


def _common_tail(a: str, b: str) -> int:
    count = 0
    for x, y in zip(reversed(a.split("/")), reversed(b.split("/")), strict=False):
        if x != y:
            break
        count += 1
    return count


def stated_part(path: str) -> str | None:
    """train, val or test, from the last component of a relative path that says one."""
    for component in reversed(PurePosixPath(path).parts):
        words = re.split(r"[^a-z]+", component.lower())
        parts = {_PART_NAMES[word] for word in words if word in _PART_NAMES}
        if len(parts) == 1:
            return parts.pop()
    return None


def read_text(path: Path) -> str:
    """Raises ValueError naming the file when it is missing or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{path}: file not found") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8: {error}") from None


def read_json(path: Path) -> Any:
    """Raises ValueError naming the file when it is missing or broken."""
    try:
        return load_json(str(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_yaml(path: Path) -> Any:
    """Raises ValueError naming the file when it is missing or broken."""
    import yaml

    text = read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _count_nodes(root, {})
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())[:300]}") from None


def _count_nodes(node: Any, known: dict[int, int]) -> int:
    """How many values a node stands for once its aliases are written out; refuse too many.

    An alias costs nothing until something walks through what it stands for: to print it, say.
    """
    if id(node) in known:
        count = known[id(node)]
        if not count:
            raise ValueError("an alias refers to what it is a part of")
        return count
    if not isinstance(node.value, list):
        return 1
    known[id(node)] = 0
    count = 1
    for part in node.value:
        for child in part if isinstance(part, tuple) else (part,):
            count += _count_nodes(child, known)
            if count > _MAX_YAML_VALUES:
                raise ValueError(f"its aliases stand for over {_MAX_YAML_VALUES} values")
    known[id(node)] = count
    return count
