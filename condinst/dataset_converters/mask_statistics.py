"""Measure the values of label maps: areas, pieces, gray edges, what lies around the objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from condinst.dataset_converters.mask_inversion import may_be_inverted, seems_inverted

__all__ = [
    "MANY_VALUES",
    "MaskStatistics",
    "cut_at_half",
    "is_soft",
]

MANY_VALUES = 60  # masks of classes have fewer
_SMALLEST_TOP = 64  # the largest value of masks with gray edges
_FLAT = 16  # values that JPEG noise adds
_FEW = 0.05
_TINY = 4  # pixels
_MOST_PIXELS = 1 << 25  # that are kept to look at edges
_FULL_16_BITS = 60_000  # the largest value of masks of 16 bits with gray edges
_MOST_COMPARED = 30  # values without an area of a mask that are looked at for pieces


def is_soft(labels: np.ndarray, top: int) -> bool:
    """Tell whether a mask is binary up to gray edges: areas are 0 or ``top``, edges lie between."""
    counts = _soft_counts(labels, top)
    return _looks_soft(counts)


def cut_at_half(labels: np.ndarray, top: int) -> np.ndarray:
    """Return the (H, W) bool mask of values above the half of ``top``; colors by brightness."""
    return _bright(labels) * 2 > top


def _bright(values: np.ndarray) -> np.ndarray:
    """Return gray values as they are, and the brightest channel of colors."""
    if values.max(initial=0) < 1 << 16:
        return values
    return np.maximum.reduce([values >> 16, values >> 8 & 255, values & 255])


def _soft_counts(labels: np.ndarray, top: int) -> Counter[str]:
    """Count the centers of flat cells of 3 x 3 pixels, by their value.

    ``low`` and ``upper`` are cells of one value that is neither 0 nor about ``top``; ``middle`` are
    cells of about one value far from both, ``high`` those of about ``top``.
    """
    import cv2

    small = labels.clip(0, 65535).astype(np.uint16)
    cell = np.ones((3, 3), np.uint8)
    least, most = cv2.erode(small, cell), cv2.dilate(small, cell)
    noise = _FLAT if top <= 255 else 0
    equal, flat = least == most, most - least <= noise
    quarter, three = top / 4, top * 3 / 4
    return Counter(
        low=int((equal & (small > 0) & (small <= quarter)).sum()),
        middle=int((flat & (small > quarter) & (small < three)).sum()),
        upper=int((equal & (small >= three) & (small < top - noise)).sum()),
        high=int((flat & (small >= three)).sum()),
        faint=_faint(small, quarter, three),
    )


def _faint(labels: np.ndarray, quarter: float, three: float) -> int:
    """Return the number of pixels in connected pieces that nowhere reach the upper values."""
    import cv2

    number, pieces = cv2.connectedComponents((labels > quarter).astype(np.uint8))
    if number == 1:
        return 0
    reach = np.zeros(number, bool)
    reach[pieces[labels >= three]] = True
    reach[0] = True
    return int((~reach[pieces]).sum())


def _looks_soft(counts: Counter[str]) -> bool:
    high = counts["high"]
    edges = ("low", "middle", "upper", "faint")
    return high > 0 and all(counts[name] <= _FEW * high for name in edges)


@dataclass
class MaskStatistics:
    """Counts of the values in the label maps of a dataset, taken from some of the maps.

    Attributes:
        masks: file -> its values besides 0.
        single, split: number of values in one connected piece, and the files of those in several.
    """

    masks: dict[str, list[int]] = field(default_factory=dict)
    values: Counter[int] = field(default_factory=Counter)
    single: int = 0
    split: list[str] = field(default_factory=list)
    tiny: int = 0
    smeared: int = 0  # values that have no area of their own, in several pieces
    without_background: int = 0
    inverted: int = 0  # masks of which one value but 0 looks like the background
    doubtful: int = 0  # masks that may be inverted, which their values cannot tell
    mixed: int = 0  # masks with more than one value: only these can look inverted
    stacks: list[str] = field(default_factory=list)  # files with a mask for each object
    jpeg: bool = False
    gray8: bool = True
    _full: set[int] = field(default_factory=set)  # values that fill 3 x 3 pixels somewhere
    _kept: list[np.ndarray] = field(default_factory=list)

    def add(self, file: str, labels: np.ndarray) -> None:
        """Look at the label map of a file."""
        self.jpeg |= Path(file).suffix.lower() in (".jpg", ".jpeg", ".jfif", ".jpe")
        found, counts = np.unique(labels, return_counts=True)
        there = found != 0
        self.without_background += int(there.all())
        if len(found) > 1:
            self.mixed += 1
            around = found[counts.argmax()]
            if around != 0:
                self.inverted += int(seems_inverted(labels == around))
                self.doubtful += int(may_be_inverted(labels == around))
            elif len(found) == 2:
                self.doubtful += int(may_be_inverted(labels != 0))
        found, counts = found[there], counts[there]
        self.gray8 &= bool(found.size == 0 or found[-1] <= 255)
        self.masks[file] = found.tolist()
        self.values.update(found.tolist())
        self.tiny += int((counts <= _TINY).sum())
        if len(found) <= MANY_VALUES:
            self._count_pieces(file, labels, found)
        smeared, full = _smeared(labels, found)
        self.smeared += smeared
        self._full.update(full)
        gray = found.size and (found[-1] <= 255 or _FULL_16_BITS <= found[-1] < 1 << 16)
        if len(found) > 1 and gray and sum(m.size for m in self._kept) < _MOST_PIXELS:
            self._kept.append(labels.astype(np.uint16))

    def _count_pieces(self, file: str, labels: np.ndarray, found: np.ndarray) -> None:
        import cv2

        for value in found.tolist():
            _, _, sizes, _ = cv2.connectedComponentsWithStats((labels == value).astype(np.uint8))
            areas = sizes[1:, cv2.CC_STAT_AREA]
            large = (areas >= 0.1 * areas.max()).sum()
            if large > 1:
                self.split.append(file)
            else:
                self.single += 1

    def count_inverted(self, soft: bool) -> tuple[int, int, int]:
        """Return how many masks seem to be inverted, how many may be, and of how many.

        Args:
            soft: whether the masks are binary up to gray edges.
        """
        if not soft:
            return self.inverted, self.doubtful, self.mixed
        cut = [cut_at_half(labels, self.top) for labels in self._kept]
        cut = [objects for objects in cut if objects.any() and not objects.all()]
        return sum(map(seems_inverted, cut)), sum(map(may_be_inverted, cut)), len(cut)

    @property
    def looks_smeared(self) -> bool:
        """Tell whether most values seem to come from smoothing."""
        return self.smeared > 0.5 * sum(self.values.values())

    @property
    def lowest_area(self) -> int:
        """The smallest brightness of an area, without what is nearly black."""
        areas = _bright(np.array([*self._full, self.top]))
        return int(areas[areas * 8 > self.top].min())

    @property
    def top(self) -> int:
        """The largest value."""
        return int(_bright(np.array([*self.values, 0])).max())

    def soft(self) -> bool:
        """Tell whether the masks are binary up to gray edges."""
        gray = self.gray8 or (_FULL_16_BITS <= self.top < 1 << 16 and self.looks_smeared)
        if not gray or self.top < _SMALLEST_TOP or not self._kept:
            return False
        total: Counter[str] = Counter()
        for labels in self._kept:
            total.update(_soft_counts(labels, self.top))
        return _looks_soft(total)


def _smeared(labels: np.ndarray, found: np.ndarray) -> tuple[int, list[int]]:
    """Count the values that lie in several pieces and nowhere fill 3 x 3 pixels.

    Smoothing makes such values along the edges. Small or thin objects are in one piece. The list
    has the values that do fill 3 x 3 pixels.
    """
    import cv2

    if found.size < 2 or found.size >= 1 << 16:
        return 0, found.tolist()
    ranks = np.searchsorted(found, labels).astype(np.uint16)
    ranks[labels == 0] = found.size
    cell = np.ones((3, 3), np.uint8)
    full = cv2.erode(ranks, cell) == cv2.dilate(ranks, cell)
    without = np.setdiff1d(np.arange(found.size), ranks[full])
    filled = np.delete(found, without).tolist()
    if not without.size:
        return 0, filled
    looked_at = without[:: -(-without.size // _MOST_COMPARED)]
    pieces = [cv2.connectedComponents((ranks == rank).astype(np.uint8))[0] for rank in looked_at]
    return round(np.mean([number > 2 for number in pieces]) * without.size), filled
