"""List a folder's files once, in the same order on every file system."""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from condinst.dataset_converters.json_kind import Sniffed, sniff
from condinst.dataset_converters.numpy_masks import ARRAY_SUFFIXES, is_pickled
from condinst.datasets.coco.json_stream import load_json
from condinst.images.sources import IMAGE_SUFFIXES
from condinst.utils.files import check_regular, read_regular

__all__ = ["Folder", "read_json", "read_text", "read_yaml", "stated_split"]

_MAX_YAML_VALUES = 100_000
_MAX_TEXT = 1 << 29  # bytes
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}


@dataclass(frozen=True)
class Folder:
    """The files below a folder.

    Attributes:
        root: the folder, absolute.
        files: sorted paths relative to ``root``, with forward slashes; hidden files and folders
            are left out.
    """

    root: Path
    files: tuple[str, ...]

    @classmethod
    def listed(cls, root: Path, without: Path | None = None) -> Folder:
        """List ``root``: links to folders are followed, each folder once; skip ``without``."""
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
        """Return the files that end in one of the lower-case suffixes."""
        return [file for file in self.files if file.lower().endswith(suffixes)]

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The files with the suffix of an image."""
        return tuple(self.with_suffix(*sorted(IMAGE_SUFFIXES)))

    @cached_property
    def mask_files(self) -> tuple[str, ...]:
        """The files that may be masks: images and numpy's arrays, without pickled objects."""
        arrays = self.with_suffix(*ARRAY_SUFFIXES)
        return tuple(sorted([*self.images, *(a for a in arrays if not is_pickled(self.root / a))]))

    @cached_property
    def image_set(self) -> frozenset[str]:
        return frozenset(self.images)

    @cached_property
    def json_kinds(self) -> dict[str, list[str]]:
        """Return kind of annotations (see :class:`Sniffed`) -> the json files of that kind."""
        kinds: dict[str, list[str]] = {}
        for file in self.with_suffix(".json"):
            kinds.setdefault(self.sniffed(file).kind or "", []).append(file)
        return kinds

    @cached_property
    def _sniffed(self) -> dict[str, Sniffed]:
        return {}

    def sniffed(self, file: str) -> Sniffed:
        """Return the kind of annotations in a json file, which is opened once."""
        if file not in self._sniffed:
            self._sniffed[file] = sniff(self.root / file)
        return self._sniffed[file]

    @cached_property
    def by_stem(self) -> dict[str, str]:
        """Return path without its suffix -> an image."""
        return {os.path.splitext(image)[0]: image for image in reversed(self.images)}

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Return base name -> the images of that name."""
        index: dict[str, list[str]] = {}
        for image in self.images:
            index.setdefault(PurePosixPath(image).name, []).append(image)
        return index

    def find_image(self, name: str, beside: str = "") -> str | None:
        """Return the image that an annotation file calls ``name``.

        Args:
            name: a path, absolute or relative, of this machine or another, with either slash.
            beside: the folder of the annotation file, relative to the root.

        Returns:
            A path relative to the root; None if no image or more than one fits.
        """
        name = name.replace("\\", "/")
        joined = os.path.normpath(os.path.join(beside, name)).replace("\\", "/")
        if joined in self.image_set:
            return joined
        base = PurePosixPath(name).name
        found = self.by_name.get(base) or self._by_plain_name.get(_plain(base), [])
        if len(found) > 1:  # take the image that shares the longest end of the path
            tails = [_common_tail(name, path) for path in found]
            best = max(tails)
            found = [p for p, tail in zip(found, tails, strict=True) if tail == best]
        if len(found) > 1:
            found = [p for p in found if str(PurePosixPath(p).parent) == (beside or ".")]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _by_plain_name(self) -> dict[str, list[str]]:
        """Base name, see ``_plain`` -> the images of that name."""
        index: dict[str, list[str]] = {}
        for name, images in self.by_name.items():
            index.setdefault(_plain(name), []).extend(images)
        return index

    @cached_property
    def _by_near_name(self) -> dict[str, str]:
        """Return base name without its suffix, in lower case -> an image."""
        return {_near(image): image for image in reversed(self.images)}

    def near_image(self, name: str) -> str | None:
        """Return an image whose name differs from ``name`` by case or suffix only.

        ``name`` may also begin with the eight digits that Label Studio puts before an upload.
        """
        near = _near(name)
        return self._by_near_name.get(near) or self._by_near_name.get(_UPLOADED.sub("", near))

    @cached_property
    def _of_stem(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for image in self.images:
            index.setdefault(os.path.splitext(PurePosixPath(image).name)[0], []).append(image)
        return index

    def images_of_stem(self, stem: str) -> list[str]:
        """Return the images whose base name without its suffix is ``stem``."""
        return self._of_stem.get(stem, [])

    def images_called(self, name: str) -> list[str]:
        """Return the images with the base name of ``name``, which may be a path."""
        return self.by_name.get(PurePosixPath(name.replace("\\", "/")).name, [])

    def files_named(self, name: str) -> list[str]:
        """Return the files with this base name."""
        return [file for file in self.files if PurePosixPath(file).name == name]


def _plain(name: str) -> str:
    """Return a name as typed: macOS takes letters and accents apart, URLs have %20 for a space."""
    return unicodedata.normalize("NFC", unquote(name))


def _near(name: str) -> str:
    plain = _plain(PurePosixPath(name.replace("\\", "/")).name)
    return os.path.splitext(plain)[0].casefold()


def _common_tail(a: str, b: str) -> int:
    count = 0
    for x, y in zip(reversed(a.split("/")), reversed(b.split("/")), strict=False):
        if x != y:
            break
        count += 1
    return count


def stated_split(path: str) -> str | None:
    """Return train, val or test by the last component of a path that names one; else None."""
    for component in reversed(PurePosixPath(path).parts):
        words = re.split(r"[^a-z]+", component.lower())
        splits = {_SPLIT_NAMES[word] for word in words if word in _SPLIT_NAMES}
        if len(splits) == 1:
            return splits.pop()
    return None


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or UTF-16 with a byte order mark.

    Raises:
        ValueError: the file is missing, is no text or is too large; the message names it.
    """
    try:
        check_regular(path)
        if os.path.getsize(path) > _MAX_TEXT:
            raise ValueError(f"expected a text of at most {_MAX_TEXT >> 20} MB")
        data = read_regular(path)
        marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return data.decode("utf-16" if data.startswith(marks) else "utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{path}: file not found") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8, save it as UTF-8: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_json(path: Path) -> Any:
    """Read a json file; ValueError names a file that is missing or broken."""
    return load_json(str(path))


def read_yaml(path: Path) -> Any:
    """Read a yaml file; ValueError names a file that is missing or broken."""
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
    """Return how many values a node holds once its aliases are expanded; refuse too many.

    An alias takes no memory until something walks through its values, for example to print them.
    """
    if id(node) in known:
        count = known[id(node)]
        if not count:
            raise ValueError("an alias refers to a value that contains it")
        return count
    if not isinstance(node.value, list):
        return 1
    known[id(node)] = 0
    count = 1
    for part in node.value:
        for child in part if isinstance(part, tuple) else (part,):
            count += _count_nodes(child, known)
            if count > _MAX_YAML_VALUES:
                raise ValueError(f"its aliases expand to over {_MAX_YAML_VALUES} values")
    known[id(node)] = count
    return count
