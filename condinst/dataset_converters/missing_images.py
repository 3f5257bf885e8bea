"""Judge how many of the images that annotations name are missing."""

from __future__ import annotations

from collections.abc import Sequence

from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.records import Notes
from condinst.datasets.coco.entry_issues import first_few

__all__ = ["judge_missing"]

_MANY = 0.1  # of all images: with fewer missing, a note is enough
_RARE, _FEW = 0.1, 10  # of all images, and images: with fewer found, training makes no sense


def judge_missing(folder: Folder, missing: Sequence[str], num_found: int, notes: Notes) -> None:
    """Warn if many images are missing; a wrong folder or half a download would go unnoticed.

    Args:
        folder: the dataset's folder, in which the images were looked for.
        missing: the names of the missing images, without repetitions.
        num_found: number of the images that are there.
        notes: receives the warning.

    Raises:
        ValueError: so few are there that training makes no sense.
    """
    total = len(missing) + num_found
    if len(missing) < _MANY * total or not num_found:  # without any, the readers say what they miss
        return
    text = (
        f"{len(missing):,} of the {total:,} images that the annotations name "
        f"({_percent(len(missing), total)}) are missing, such as {first_few(missing, 3)}. They "
        f"were looked for in {folder.root} and below, where {len(folder.images):,} image files are"
    )
    if num_found < min(_FEW, _RARE * total):
        raise ValueError(
            f"{text}: the {num_found} found are too few to train on. Give the folder of images and "
            "annotations with --data, or remove the missing images from the annotations (of COCO "
            "json by condinst doctor --data FILE --fix FOLDER)"
        )
    notes.warn(f"{text}: {num_found:,} images are used.")


def _percent(part: int, whole: int) -> str:
    """Return a percentage that is 100% only for all."""
    return f"{min(round(100 * part / whole), 99 if part < whole else 100)}%"
