"""Read the image files of a dataset: headers, equal files, and whether they decode.

Every header is read. Files of equal length are compared byte by byte as far as they agree. Some or
all images are decoded as in training.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from condinst.data_report.issues import Item
from condinst.data_report.report_source import ReportSource
from condinst.images.decode_bgr import decode_bgr
from condinst.images.headers import ImageHeader, missing_files, read_header
from condinst.images.sources import IMAGE_SUFFIXES
from condinst.utils.files import read_regular
from condinst.utils.words import without_error_numbers

__all__ = ["ImageFacts", "find_in_images", "look_at_images", "same_images"]

_THREADS = 8
_START = 4096  # bytes that are compared before whole files
T = TypeVar("T")


@dataclass
class ImageFacts:
    """The facts on N image files; images are referred to by their index.

    Attributes:
        headers: N headers; None if the file is missing, broken, or readable by OpenCV only.
        missing: images without a file.
        broken: image -> why it cannot be read.
        decoded: images that were decoded, successfully or not.
        pixels: image -> hash of its decoded pixels.
        not_listed: paths of other image files in the same folders.
    """

    headers: list[ImageHeader | None]
    missing: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    decoded: list[int] = field(default_factory=list)
    pixels: dict[int, bytes] = field(default_factory=dict)
    not_listed: list[str] = field(default_factory=list)

    @property
    def num_read(self) -> int:
        """Return the number of images that are there and whose headers can be read."""
        unread = set(self.broken) - set(self.decoded)
        return len(self.headers) - len(self.missing) - len(unread)

    def shown_size(self, index: int) -> tuple[int, int] | None:
        """Return height and width after the EXIF orientation, as viewers show the image."""
        header = self.headers[index]
        if header is None:
            return None
        size = (header.height, header.width)
        return size[::-1] if header.orientation >= 5 else size


def look_at_images(source: ReportSource, max_decoded: int | None) -> ImageFacts:
    """Read all headers and decode ``max_decoded`` images, evenly spaced; None decodes all."""
    number = len(source.file.file_names)
    facts = ImageFacts([None] * number)
    if source.images is None:
        return facts
    paths = [source.image_path(i) for i in range(number)]
    absent = set(missing_files(paths))
    facts.missing = [i for i, path in enumerate(paths) if path in absent]
    there = [i for i, path in enumerate(paths) if path not in absent]
    for i, header in zip(there, _parallel(_header, [paths[i] for i in there]), strict=True):
        if isinstance(header, str):
            facts.broken[i] = header
        else:
            facts.headers[i] = header
    readable = [i for i in there if i not in facts.broken]
    count = len(readable) if max_decoded is None else min(len(readable), max_decoded)
    facts.decoded = [readable[j] for j in np.linspace(0, len(readable) - 1, count).astype(int)]
    with _silent_opencv():
        results = _parallel(_decode, [paths[i] for i in facts.decoded])
        for i, result in zip(facts.decoded, results, strict=True):
            if isinstance(result, str):
                facts.broken[i] = result
            else:
                facts.pixels[i] = result
    facts.not_listed = _not_listed(paths)
    return facts


def _parallel(function: Callable[[str], T], paths: Sequence[str]) -> Iterator[T]:
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(function, paths)


def _reason(path: str, error: ValueError | OSError) -> str:
    """Return an error without the file's name, which the report gives."""
    return without_error_numbers(f"{path}: {error}").removeprefix(f"{path}: ")


def _header(path: str) -> ImageHeader | str | None:
    try:
        return read_header(path)
    except (ValueError, OSError) as error:
        return _reason(path, error)


def _decode(path: str) -> bytes | str:
    """Return a hash of the pixels, or what is wrong."""
    try:
        image = decode_bgr(read_regular(path), "color", "cv2")
    except (ValueError, OSError) as error:
        return " ".join(_reason(path, error).split())
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


@contextlib.contextmanager
def _silent_opencv() -> Iterator[None]:
    """Silence OpenCV's messages on broken files, which the report lists."""
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _not_listed(paths: Sequence[str]) -> list[str]:
    listed = set(paths)
    found = []
    for folder in sorted({os.path.dirname(path) for path in paths}):
        try:
            names = sorted(os.listdir(folder or os.curdir))
        except OSError:  # the folder is missing, so its images are reported as missing
            continue
        files = (os.path.join(folder, name) for name in names)
        found += [
            path
            for path in files
            if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES and path not in listed
        ]
    return found


def find_in_images(source: ReportSource, facts: ImageFacts) -> list[tuple[str, Item]]:
    """Return (kind's key, item) of the issues of single image files."""
    found = [("missing_file", Item(image=i)) for i in facts.missing]
    found += [("unreadable_file", Item(image=i, detail=facts.broken[i])) for i in facts.broken]
    for i, header in enumerate(facts.headers):
        if header is None or i in facts.broken:
            continue
        annotated = tuple(int(side) for side in source.file.sizes[i])
        shown, stored = facts.shown_size(i), (header.height, header.width)
        if min(annotated) < 1:
            continue
        if annotated not in (shown, stored):
            height, width = shown or stored
            detail = f"{width} x {height}, annotated {annotated[1]} x {annotated[0]}"
            found.append(("image_size", Item(image=i, detail=detail)))
        elif header.orientation not in (0, 1):
            clear = shown != stored
            as_stored = ", annotated as stored" if annotated == stored else ", annotated turned"
            detail = f"orientation {header.orientation}{as_stored if clear else ''}"
            found.append(("exif" if clear else "exif_unclear", Item(image=i, detail=detail)))
    found += [("not_listed", Item(file=path)) for path in facts.not_listed]
    return found


def same_images(
    sources: Sequence[ReportSource], facts: Sequence[ImageFacts]
) -> list[list[tuple[int, int]]]:
    """Group the (source, image) pairs that share a file, bytes, or pixels.

    The bytes of all images are compared, and the pixels of the decoded ones.
    """
    every = [
        (s, i)
        for s, (source, fact) in enumerate(zip(sources, facts, strict=True))
        if source.images is not None
        for i in sorted(set(range(len(source.file.file_names))) - set(fact.missing))
    ]
    where = {place: os.path.abspath(sources[place[0]].image_path(place[1])) for place in every}
    parent = {place: place for place in every}

    def root(place: tuple[int, int]) -> tuple[int, int]:
        while parent[place] != place:
            place = parent[place]
        return place

    by_pixels: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for s, fact in enumerate(facts):
        for i, digest in fact.pixels.items():
            by_pixels[digest].append((s, i))
    by_path: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, path in where.items():
        by_path[path].append(place)
    by_bytes = [[by_path[path][0] for path in same] for same in _same_bytes(sorted(by_path))]
    for same in [*by_path.values(), *by_bytes, *by_pixels.values()]:
        for place in same[1:]:
            first, second = sorted((root(same[0]), root(place)))
            parent[second] = first
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for place in every:
        groups[root(place)].append(place)
    return [places for places in groups.values() if len(places) > 1]


def _same_bytes(paths: Sequence[str]) -> list[list[str]]:
    """Group different files that hold the same bytes; empty files are left out."""
    groups = dict.fromkeys(paths, b"")
    for look in (_length, _start, _whole):
        left: dict[tuple[bytes, bytes], list[str]] = defaultdict(list)
        for path, value in zip(groups, _parallel(look, list(groups)), strict=True):
            if value:
                left[groups[path], value].append(path)
        shared = [same for same in left.values() if len(same) > 1]
        groups = {path: str(n).encode() for n, same in enumerate(shared) for path in same}
    same_bytes: dict[bytes, list[str]] = defaultdict(list)
    for path, name in groups.items():
        same_bytes[name].append(path)
    return list(same_bytes.values())


def _length(path: str) -> bytes:
    try:
        return str(os.path.getsize(path) or "").encode()
    except OSError:  # reported as unreadable
        return b""


def _start(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_START)


def _whole(path: str) -> bytes:
    return hashlib.blake2b(Path(path).read_bytes()).digest()
