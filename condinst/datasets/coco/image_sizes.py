"""Tell by the annotations whether an image has the size of its file or the one that COCO states."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from condinst.datasets.coco.coco_records import CocoFile

__all__ = ["file_sizes", "sizes_of_files"]

_OUTSIDE = 0.02  # of a side: tools let outlines leave the image a little
_EVIDENCE = 0.1  # of the images with height and width exchanged

Size = tuple[int, int]  # height and width


def file_sizes(header: tuple[int, int, bool]) -> list[Size]:
    """Return the sizes that a file may be annotated with: as shown, and as stored if that differs.

    Args:
        header: height and width as stored, and whether EXIF orientation swaps them.
    """
    height, width, turned = header
    return [(width, height), (height, width)] if turned else [(height, width)]


def sizes_of_files(file: CocoFile, headers: Mapping[int, tuple[int, int, bool]]) -> dict[int, Size]:
    """Return the sizes that must be written, of images that have none or a wrong one.

    A missing size is the file's, in the orientation that its annotations fit. A stated size is
    wrong if annotations do not fit it and fit the file. Height and width are exchanged in all
    images if they are in some by that rule, and the annotations of all that have them exchanged
    fit the files. Other images may have been resized after they were annotated.

    Args:
        file: the annotations.
        headers: index of an image -> height and width of its file as stored, and whether EXIF
            orientation swaps them.

    Returns:
        Index of an image -> height and width.
    """
    made: dict[int, Size] = {}
    exchanged: dict[int, Size | None] = {}
    for index, header in headers.items():
        stated: Size = tuple(file.sizes[index].tolist())  # type: ignore[assignment]
        candidates = file_sizes(header)
        if stated in candidates:
            continue
        reach = _Reach(file, index)
        found = next((size for size in candidates if reach.fits(size)), None)
        if min(stated) < 1:
            if found:
                made[index] = found
            continue
        if stated[::-1] in candidates:
            exchanged[index] = found
        if found and not reach.fits(stated):
            made[index] = found
    contradicted = len(made.keys() & exchanged.keys())
    if contradicted and contradicted >= _EVIDENCE * len(exchanged):
        sizes = {index: size for index, size in exchanged.items() if size is not None}
        if len(sizes) == len(exchanged):
            made |= sizes
    return made


class _Reach:
    """How far the annotations of an image reach, and the sizes of its RLEs."""

    def __init__(self, file: CocoFile, index: int) -> None:
        self._right = self._bottom = 0.0
        self._sizes: list[object] = []
        for i in file.annotations_of_image[index].tolist():
            box = file.boxes[i]
            if i in file.rles:
                self._sizes.append(file.rles[i].get("size"))
            elif polygons := [p for p in file.polygons(i) if len(p) % 2 == 0 and len(p)]:
                points = np.concatenate(polygons).reshape(-1, 2)
                self._to(*points.max(axis=0))
            elif np.isfinite(box).all():
                self._to(box[0] + box[2], box[1] + box[3])

    def _to(self, right: float, bottom: float) -> None:
        self._right, self._bottom = max(self._right, right), max(self._bottom, bottom)

    def fits(self, size: Size) -> bool:
        """Tell whether everything lies in an image of this size."""
        height, width = size
        return (
            all(found == [height, width] for found in self._sizes)
            and self._right <= width + max(2, _OUTSIDE * width)
            and self._bottom <= height + max(2, _OUTSIDE * height)
        )
