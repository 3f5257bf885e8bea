"""Take the sizes of a COCO file's images from the image files, where it has none or wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from condinst.dataset_converters.records import Notes
from condinst.datasets.coco.entry_issues import first_few
from condinst.datasets.coco.image_sizes import file_sizes, sizes_of_files

__all__ = ["find_sizes"]

_MOST = 20_000  # headers that are read of a file that states all sizes
_THREADS = 8


def find_sizes(
    path: Path, data: Any, images: Sequence[Path | None], notes: Notes
) -> dict[int, tuple[int, int]]:
    """Return the sizes that are used instead of those of the file; headers alone are read.

    Args:
        path: the file, for messages.
        data: the ``CocoFile``.
        images: the image files; None for a missing one.
        notes: receives what is changed.

    Returns:
        Index of an image -> height and width.

    Raises:
        ValueError: an image without a size does not fit its annotations or cannot be read, or an
            image is of another size than stated and the annotations do not tell which is right.
    """
    there = [index for index, image in enumerate(images) if image is not None]
    spread = set(there[:: max(1, -(-len(there) // _MOST))])
    looked_at = [i for i in there if i in spread or data.sizes[i].min() < 1]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_header, (str(images[i]) for i in looked_at)))
    headers = {i: h for i, h in zip(looked_at, found, strict=True) if isinstance(h, tuple)}
    made = sizes_of_files(data, headers)
    other = [
        f"{images[i]} ({width} x {height}, annotated {stated[1]} x {stated[0]})"
        for i, (height, width, turned) in headers.items()
        if i not in made
        and min(stated := tuple(data.sizes[i].tolist())) > 0
        and stated not in file_sizes((height, width, turned))
    ]
    if other:
        raise ValueError(
            f"{path}: {len(other)} of {len(images)} images are of another size (width x height) "
            f"than annotated: {first_few(other, 3)}. Use the images that were annotated; if these "
            "are resized, multiply the coordinates by the same factor and write the new sizes; if "
            "height and width are exchanged in the file, exchange them"
        )
    without = np.flatnonzero(data.sizes.min(axis=1) < 1).tolist() if len(data.sizes) else []
    left = [i for i in without if i not in made and images[i] is not None]
    if left:
        why = dict(zip(looked_at, found, strict=True))[left[0]] or "is not readable"
        if isinstance(why, tuple):
            why = f"is {why[1]} x {why[0]}, which its annotations do not fit"
        raise ValueError(
            f"{path}: {len(left)} images have no usable height and width, and their files do not "
            f"tell: {images[left[0]]} {why}. Write the height and width of the images that were "
            "annotated"
        )
    added = [data.file_names[i] for i in without if i in made]
    if added:
        notes.say(
            f"{path}: {len(added)} of {len(images)} images have no usable height and width "
            f"(such as {added[0]}): they are taken from the image files."
        )
    changed = [i for i in made if data.sizes[i].min() >= 1]
    if changed:
        (height, width), (rows, columns) = data.sizes[changed[0]].tolist(), made[changed[0]]
        notes.say(
            f"{path}: the height and width of {len(changed)} of {len(images)} images are neither "
            f"those of the files nor such that the annotations fit (such as {width} x {height} of "
            f"{data.file_names[changed[0]]}, which is {columns} x {rows}): those of the files are "
            "used."
        )
    return made


def _header(path: str) -> tuple[int, int, bool] | str | None:
    from condinst.images.headers import header_size

    try:
        return header_size(path)
    except (ValueError, OSError) as error:
        return f"cannot be read: {error}"
