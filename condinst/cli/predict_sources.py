"""The words of ``condinst predict``: its model, its sources and its output folder."""

from __future__ import annotations

import argparse
import glob
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from condinst.cli.annotation_output import ANNOTATION_FORMATS
from condinst.cli.common import check_writable
from condinst.cli.early import check_exists, is_checkpoint
from condinst.cli.own_files import OwnFiles
from condinst.images.sources import VIDEO_SUFFIXES, check_video, is_single, list_folder
from condinst.images.web import image_name, read_url
from condinst.utils.files import write_whole
from condinst.utils.names import NamesInFolder, printable
from condinst.utils.optional import import_failure

__all__ = [
    "check_first",
    "check_out",
    "check_track",
    "download",
    "find",
    "split",
    "split_model",
    "with_names",
]


def split(words: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """Split the arguments into the model, its checkpoint (None if not given) and the sources.

    Raises:
        ValueError: there is no source.
    """
    model, checkpoint, rest = split_model(words)
    if not rest:
        raise ValueError(
            f"{' '.join(words)}: expected an image, folder or video after the model "
            "(condinst predict --help)"
        )
    return model, checkpoint, rest


def split_model(words: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """Split the arguments into the model, its checkpoint (None if not given) and the others.

    Raises:
        ValueError: a config follows its checkpoint.
    """
    model, rest = words[0], list(words[1:])
    checkpoint = None
    if rest and is_checkpoint(model) and Path(rest[0]).suffix in (".py", ".yaml", ".yml"):
        raise ValueError(f"{model} {rest[0]}: a config comes before its checkpoint")
    if rest and is_checkpoint(rest[0]):
        checkpoint = rest.pop(0)
    return model, checkpoint, rest


def find(words: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Return the image files and the videos, after checking that they exist."""
    images: list[Path] = []
    videos: list[Path] = []
    for path in (path for word in words for path in _paths(word)):
        if path.is_dir():
            images += list_folder(path)
        else:
            (images if is_single(path) else videos).append(path)
    for video in videos:
        check_video(video)
    return images, videos


def download(
    urls: Sequence[str], folder: Path, skip_broken: bool, own: OwnFiles
) -> tuple[list[Path], list[str]]:
    """Read images from the web into a folder; return their files, and messages on the others.

    Args:
        urls: of the images.
        folder: below that of ``own``.
        skip_broken: whether a URL that cannot be read is left out.
        own: the files that the command wrote.

    Raises:
        OSError, ValueError: a URL cannot be read, or a file of others would be replaced.
    """
    for url in urls:
        if Path(image_name(url)).suffix.lower() in VIDEO_SUFFIXES:
            raise ValueError(f"{url}: only images are read from the web; download the video first")
    names, kept, messages = NamesInFolder(folder), [], []
    for url in urls:
        name = image_name(url)
        path = names.take(name)
        path = path.with_name(f"{path.name}{Path(name).suffix}")
        try:
            data = read_url(url)
        except (OSError, ValueError) as error:
            if not skip_broken:
                raise
            messages.append(str(error))
            continue
        with own.writing([path]):
            write_whole(path, data)
        kept.append(path)
    return kept, messages


def check_first(images: Sequence[Path]) -> None:
    """Read the header of the first image, before the model is loaded.

    A later one that is broken ends the command after those before it have been predicted.

    Raises:
        ValueError: it is not an image.
    """
    from condinst.images.headers import read_header

    for path in images[:1]:
        try:
            read_header(str(path))
        except ValueError as error:
            reason = "the file is empty" if str(error) == "empty" else error
            raise ValueError(f"image file {path}: {reason}") from None


def _paths(word: str) -> list[Path]:
    """Return the file or folder that a word names, or the files that fit its pattern."""
    if os.path.exists(word):
        return [Path(word)]
    if "://" in word:
        raise ValueError(f"{word}: expected a file, or a URL of http or https")
    if glob.has_magic(word):  # a shell that leaves patterns alone, or quotes
        found = sorted(map(Path, glob.glob(word, recursive=True)))
        if not found:
            raise FileNotFoundError(f"{word}: no file fits this pattern")
        return found
    if os.path.lexists(word):  # a link
        check_exists("source", word)
    raise FileNotFoundError(f"{word}: there is no such file or folder")


def check_out(out: Path, sources: Sequence[Path], args: argparse.Namespace) -> None:
    """Raise ValueError if results would overwrite sources, or cannot be written."""
    if args.no_images and not args.format and not args.closeups:
        raise ValueError("--no-images without --format: nothing would be written")
    for kind in args.format:
        if kind in ANNOTATION_FORMATS and any(s.suffix.lower() in VIDEO_SUFFIXES for s in sources):
            raise ValueError(f"--format {kind}: works for image files, not for videos")
    check_writable("--out", out)
    place = os.path.realpath(out)
    for source in sources:
        # realpath gives a path even for a link that leads to itself
        if place in (os.path.realpath(source.parent), os.path.dirname(os.path.realpath(source))):
            raise ValueError(f"--out {out}: {source} lies there; choose another folder")
    for name in ("labels", "yolo"):
        chosen = any(kind.partition("-")[0] == name for kind in args.format)
        within = any(place in map(str, Path(os.path.realpath(s)).parents) for s in sources)
        if chosen and within and (out / name).is_dir():  # beside images, it may hold their masks
            raise ValueError(f"--out {out}: {name} lies there beside images; choose another folder")


def with_names(
    images: list[Path], videos: Sequence[Path], args: argparse.Namespace
) -> tuple[list[Path], list[str]]:
    """Split images into those whose names a JSON file can hold, and messages on the others.

    Raises:
        ValueError: there are others, and they are not to be skipped.
    """
    if not {"coco", "json", *ANNOTATION_FORMATS} & set(args.format):
        return images, []
    kept, messages = [], []
    for source in (*images, *videos):
        reason = _unnameable(str(source), args.format)
        if reason is None:
            kept += [source] * (source in images)
            continue
        messages.append(f"image file {printable(source)}: {reason}; rename it")
        if not args.skip_broken or source in videos:
            raise ValueError(messages[-1])
    return kept, messages


def _unnameable(name: str, chosen: Sequence[str]) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, and no JSON file can hold it"
    if "cvat" in chosen and not name.isprintable():
        return "its name has a control character, and no XML file can hold it"
    return None


def check_track(track: bool, videos: Sequence[Path | str]) -> None:
    """Check that there is something to track, and what tracks it.

    Raises:
        ValueError: there is no video.
        ImportError: a package is missing.
    """
    if not track:
        return
    if not videos:
        raise ValueError("--track: works for videos, and none is given")
    for name in ("trackers", "supervision"):
        if importlib.util.find_spec(name) is None:
            missing = ModuleNotFoundError(name=name)
            raise import_failure(
                f"--track needs {name}", name, 'pip install "condinst[track]"', missing
            )
