"""Name the files of a dataset of tiles, and tell its folder from others, without PyTorch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from condinst.dataset_converters.write_coco import written_here

__all__ = ["check_tiles_folder", "output_names"]

_ANNOTATIONS = "annotations"
_TILE = re.compile(r"_\d+_\d+\.(?:png|npy)$|\.partial$")


def output_names(ann_file: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the NAME of OUT/annotations/instances_NAME.json, and that of the tiles' folder."""
    name = Path(ann_file).stem.removeprefix("instances_")
    return name, "images" if name.casefold() == _ANNOTATIONS else name


def check_tiles_folder(option: str, out: Path, ann_file: str | os.PathLike[str]) -> None:
    """Refuse a folder with files that are not tiles.

    It may have the tiles of other annotation files, and those of a run that was cut off: a folder
    of the same name.

    Args:
        option: the option that names the folder, for the message.
        out: the folder, which need not be there.
        ann_file: the annotation file whose images are cut.

    Raises:
        ValueError: the folder has other files.
    """
    if not out.is_dir():
        return
    written = [p for p in (out / _ANNOTATIONS).glob("instances_*.json") if written_here(p)]
    known = {_ANNOTATIONS} | {output_names(path)[1] for path in written}
    own = output_names(ann_file)[1]
    if all(_TILE.search(p.name) for p in (out / own).rglob("*") if not p.is_dir()):
        known.add(own)
    others = [path for path in sorted(out.iterdir()) if path.name not in known]
    folder = out / _ANNOTATIONS
    others += [p for p in sorted(folder.glob("*")) if p not in written and p.suffix != ".partial"]
    if others:
        raise ValueError(
            f"{option} {out}: {others[0].relative_to(out)} is not from condinst tile; choose a new "
            "or empty folder, or one of an earlier condinst tile"
        )
