"""Keep what commands write apart from what they read, and from the files of a dataset.

Files are compared by what they are, not by their names: through links, relative paths, and the case
of letters where the file system does not distinguish it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.config.nodes import leaf_datasets

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = [
    "check_apart",
    "check_dump",
    "check_free",
    "check_not_data",
    "check_not_read",
    "is_same",
]

_SPLITS = ("train", "val", "test")


def is_same(path: str | Path, other: str | Path) -> bool:
    """Tell whether two paths are one file or folder, which is there."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def check_not_read(option: str, path: str | Path, *read: str | Path | None) -> None:
    """Refuse to write a file that the command reads.

    Args:
        option: the option that names the file, for the message.
        path: the file that is written.
        read: the files that are read; None stands for none.

    Raises:
        ValueError: it is one of them.
    """
    for other in read:
        if other is not None and is_same(path, other):
            raise ValueError(
                f"{option} {path}: this is {other}, which the command reads; choose another name"
            )


def check_free(option: str, out: Path, mark: str, command: str, any_file: bool = False) -> None:
    """Refuse a folder with images that the command did not write.

    The command might replace these images, or its drawings would lie among a dataset's images.

    Args:
        option: the option that names the folder, for the message.
        out: the folder, which need not be there.
        mark: name of the file that tells the command's folders from those of others.
        command: the command, for the message.
        any_file: whether other files and folders are refused, too.

    Raises:
        ValueError: the folder has files of others.
    """
    from condinst.images.sources import IMAGE_SUFFIXES  # imports NumPy

    if not out.is_dir() or (out / mark).is_file():
        return
    files = (p for p in sorted(out.iterdir()) if any_file or p.suffix.lower() in IMAGE_SUFFIXES)
    other = next(files, None)
    if other is not None:
        raise ValueError(
            f"{option} {out}: {other.name} is not from {command}, whose files would lie "
            "among others; choose a new or empty folder"
        )


def check_apart(option: str, folder: str | Path, cfg: Config) -> None:
    """Refuse a folder that holds the images, masks or annotations of a config's datasets.

    Args:
        option: the option that names the folder, for the message.
        folder: the folder for drawings, which need not be there.
        cfg: the config, with its overrides.

    Raises:
        ValueError: the folder holds files of a dataset.
    """
    for key, place in _places(cfg):
        inside = place if os.path.isdir(place) else os.path.dirname(place) or "."
        if is_same(folder, inside):
            raise ValueError(
                f"{option} {folder}: files of the dataset lie there ({key}); choose another folder"
            )


def check_not_data(option: str, path: str | Path, cfg: Config) -> None:
    """Refuse to write an annotation file of a config's datasets.

    Raises:
        ValueError: the path is such a file.
    """
    for key, place in _places(cfg):
        if is_same(path, place):
            raise ValueError(f"{option} {path}: this is the dataset's {key}; choose another name")


def check_dump(what: str, folder: str | Path, config: str | None) -> None:
    """Refuse a work folder in which the copy of the config would replace the config.

    A run writes its config, with all that it inherits, to its work folder under the same name. Such
    a copy may be replaced: it has neither a base nor comments.

    Args:
        what: the option or key that names the folder, for the message.
        folder: the work folder.
        config: the config's file.

    Raises:
        ValueError: the config lies in the folder and is no copy.
    """
    if not config or not is_same(os.path.join(folder, os.path.basename(config)), config):
        return
    try:
        lines = Path(config).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    if any(line.lstrip().startswith(("#", "_base_", "with ", "import ", '"""')) for line in lines):
        raise ValueError(
            f"{what} {folder}: {os.path.basename(config)} lies there, and the run's copy of the "
            "config would replace it; choose another folder"
        )


def _places(cfg: Config) -> Iterator[tuple[str, str]]:
    """Yield (config key, path) of each folder and annotation file of the datasets."""
    for split in _SPLITS:
        node = (cfg.get(f"{split}_dataloader") or {}).get("dataset")
        for key, dataset, _ in leaf_datasets(node, f"{split}_dataloader.dataset"):
            if not isinstance(dataset, dict):
                continue
            root = dataset.get("data_root") or ""
            if not isinstance(root, str):
                continue
            if root:
                yield f"{key}.data_root", root
            prefixes = dataset.get("data_prefix")
            prefixes = prefixes if isinstance(prefixes, dict) else {}
            named = {f"data_prefix.{name}": value for name, value in prefixes.items()}
            for name, value in {**named, "ann_file": dataset.get("ann_file")}.items():
                if isinstance(value, str) and (value or root):
                    yield f"{key}.{name}", os.path.join(root, value)
