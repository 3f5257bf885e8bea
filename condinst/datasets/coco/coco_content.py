"""Find issues in the arrays of a COCO file: far polygons, broken RLEs, boxes of corners."""

from __future__ import annotations

import numpy as np

from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.entry_issues import EntryIssue, short_repr
from condinst.datasets.coco.entry_values import MAX_SIDE
from condinst.masks.rle import checked_rle, read_many_counts

__all__ = ["corners_for_sizes", "find_content_issues"]

_CHUNK = 1 << 20  # numbers checked at once
_RLES_AT_ONCE = 2000  # RLEs decoded at once
_BOXES = 3000  # boxes compared with their masks
_FEW = 3  # fewer boxes are too few to judge a file's convention


def find_content_issues(file: CocoFile) -> list[str]:
    """Add the issues of single annotations to ``file.issues`` and mark these annotations.

    Returns:
        The problems of the file as a whole.
    """
    _find_far_polygons(file)
    _find_broken_rles(file)
    return corners_for_sizes(file)


def _issue(file: CocoFile, rule: str, index: int, text: str) -> None:
    file.issues.append(EntryIssue(rule, "annotations", index, file.ann_ids[index], text))


def _find_far_polygons(file: CocoFile) -> None:
    """Find coordinates that are NaN, infinite, or too large, such as those of maps."""
    bad = [
        start + np.flatnonzero(~(np.abs(part) <= MAX_SIDE))
        for start in range(0, len(file.coordinates), _CHUNK)
        for part in [file.coordinates[start : start + _CHUNK]]
    ]
    places = np.concatenate([np.zeros(0, np.int64), *bad])
    polygons = np.searchsorted(file.polygon_ends, places, side="right")
    owners = np.searchsorted(file.last_polygons, polygons, side="right")
    for index, first in zip(*np.unique(owners, return_index=True), strict=True):
        polygon = polygons[first] - (file.last_polygons[index - 1] if index else 0)
        _issue(
            file,
            "polygon",
            int(index),
            f"polygon {polygon}: expected pixels, at most {MAX_SIDE}, got "
            f"{short_repr(float(file.coordinates[places[first]]))}",
        )
        file.segmentations[index] = Segmentation.MALFORMED
        file.breaks_segm_ap[index] = True


def _find_broken_rles(file: CocoFile) -> None:
    """Find RLEs that do not fit their image."""
    chosen = [i for i in file.rles if file.image_index[i] >= 0]
    for start in range(0, len(chosen), _RLES_AT_ONCE):
        part = chosen[start : start + _RLES_AT_ONCE]
        sizes = file.sizes[file.image_index[part]]
        for i, sound in zip(part, _sound_rles(file, part, sizes), strict=True):
            if sound:
                continue
            height, width = file.sizes[file.image_index[i]].tolist()
            try:
                checked_rle(file.rles[i], height, width)
            except ValueError as error:
                _issue(file, "rle", i, str(error))
                file.broken_rles.add(i)
                file.breaks_segm_ap[i] = True


def _sound_rles(file: CocoFile, part: list[int], sizes: np.ndarray) -> np.ndarray:
    """Return (n,) bool: True for RLEs that are sound; False needs a closer check."""
    sound = np.zeros(len(part), bool)
    plain = []
    for n, (i, size) in enumerate(zip(part, sizes.tolist(), strict=True)):
        counts = file.rles[i].get("counts")
        if type(counts) is str and counts and counts.isascii() and file.rles[i].get("size") == size:
            plain.append((n, counts.encode()))
    if not plain:
        return sound
    try:
        runs, num_runs = read_many_counts([rle for _, rle in plain])
    except ValueError:
        return sound
    starts = np.cumsum(num_runs) - num_runs
    numbers = [n for n, _ in plain]
    covers = np.add.reduceat(runs, starts) == sizes[numbers].prod(axis=1)
    sound[numbers] = covers & (np.minimum.reduceat(runs, starts) >= 0)
    return sound


def corners_for_sizes(file: CocoFile) -> list[str]:
    """Return a problem if the boxes are x1, y1, x2, y2.

    They are if most fit their masks only as corners, or if most leave their image otherwise.
    """
    known = np.isfinite(file.boxes).all(axis=1) & (file.image_index >= 0)
    x, y, third, fourth = file.boxes[known].T
    height, width = file.sizes[file.image_index[known]].T
    leaves = (x + third > width + 2) | (y + fourth > height + 2)
    as_corners = (third > x) & (fourth > y) & (third <= width + 1) & (fourth <= height + 1)
    text = "as corners x1, y1, x2, y2; expected x, y, width, height"
    if leaves.size >= _FEW and 2 * leaves.sum() > leaves.size and as_corners.all():
        return [f"{leaves.sum()} of {leaves.size} boxes leave their image, and all fit it {text}"]
    shaped = np.flatnonzero(known & (file.segmentations == Segmentation.POLYGONS))
    shaped = shaped[:: max(1, len(shaped) // _BOXES)]
    if not len(shaped):
        return []
    points = [np.concatenate(file.polygons(i)).reshape(-1, 2) for i in shaped.tolist()]
    low = np.array([p.min(axis=0) for p in points])
    high = np.array([p.max(axis=0) for p in points])
    boxes = file.boxes[shaped]
    corners = np.abs(boxes - np.hstack([low, high])).max(axis=1)
    sides = np.abs(boxes - np.hstack([low, high - low])).max(axis=1)
    wrong = (corners <= 2) & (sides > 4)
    if wrong.sum() < min(_FEW, len(shaped)) or 2 * wrong.sum() <= len(shaped):
        return []
    return [f"{wrong.sum()} of {len(shaped)} boxes that were compared fit their masks {text}"]
