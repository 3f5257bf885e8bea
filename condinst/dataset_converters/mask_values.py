"""Find out what the values of label maps mean: instances, classes, both in one number, or one bit.

Where the values do not tell, the answer is a question: an error that names ``--masks``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = [
    "IGNORED",
    "MEANINGS",
    "Meaning",
    "MaskStatistics",
    "choose_meaning",
    "cut_at_half",
    "is_soft",
]

MEANINGS = ("instances", "classes", "binary", "class1000", "class256")
_ASK = "say --masks instances, --masks classes or --masks binary"
_VOID = 255
IGNORED = 10000  # of MOTS
_SMALLEST_TOP = 64  # the largest value of masks with gray edges
_FLAT = 16  # values that JPEG noise adds
_FEW = 0.05
_TINY = 4  # pixels
_MANY_VALUES = 60  # masks of classes have fewer
_MOST_PIXELS = 1 << 25  # that are kept to look at edges


@dataclass(frozen=True)
class Meaning:
    """How the values of label maps are read.

    Attributes:
        kind: one of :data:`MEANINGS`.
        top: for binary masks with gray edges or from JPEG, the value of an object; pixels above
            half of it are objects. 0 where every value but 0 is an object.
        void: the value of pixels that nobody decided on; 0 without one.
    """

    kind: str
    top: int = 0
    void: int = 0


def is_soft(labels: np.ndarray, top: int) -> bool:
    """Tell whether a mask is binary up to gray edges: areas are 0 or ``top``, edges lie between."""
    counts = _soft_counts(labels, top)
    return _looks_soft(counts)


def cut_at_half(labels: np.ndarray, top: int) -> np.ndarray:
    """Return the (H, W) bool mask of values above the half of ``top``."""
    return labels * 2 > top


def _soft_counts(labels: np.ndarray, top: int) -> Counter[str]:
    """Count the centers of flat cells of 3 x 3 pixels, by their value.

    ``low`` and ``upper`` are cells of one value that is neither 0 nor about ``top``; ``middle`` are
    cells of about one value far from both, ``high`` those of about ``top``.
    """
    import cv2

    small = labels.clip(0, 65535).astype(np.uint16)
    cell = np.ones((3, 3), np.uint8)
    least, most = cv2.erode(small, cell), cv2.dilate(small, cell)
    equal, flat = least == most, most - least <= _FLAT
    quarter, three = top / 4, top * 3 / 4
    return Counter(
        low=int((equal & (small > 0) & (small <= quarter)).sum()),
        middle=int((flat & (small > quarter) & (small < three)).sum()),
        upper=int((equal & (small >= three) & (small < top - _FLAT)).sum()),
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
    """What the label maps of a dataset hold, taken from some of them.

    Attributes:
        masks: file -> its values besides 0.
        pieces: number of values in one connected piece, and in several (by file, for messages).
    """

    masks: dict[str, list[int]] = field(default_factory=dict)
    values: Counter[int] = field(default_factory=Counter)
    single: int = 0
    split: list[str] = field(default_factory=list)
    tiny: int = 0
    without_background: int = 0
    inverted: int = 0  # masks that are not 0 in all corners and most pixels
    jpeg: bool = False
    gray8: bool = True
    _kept: list[np.ndarray] = field(default_factory=list)

    def add(self, file: str, labels: np.ndarray) -> None:
        """Look at the label map of a file."""
        self.jpeg |= Path(file).suffix.lower() in (".jpg", ".jpeg", ".jfif", ".jpe")
        found, counts = np.unique(labels, return_counts=True)
        there = found != 0
        self.without_background += int(there.all())
        corners = labels[[0, 0, -1, -1], [0, -1, 0, -1]]
        self.inverted += int((corners != 0).all() and (labels != 0).mean() > 0.5)
        found, counts = found[there], counts[there]
        self.gray8 &= bool(found.size == 0 or found[-1] <= 255)
        self.masks[file] = found.tolist()
        self.values.update(found.tolist())
        self.tiny += int((counts <= _TINY).sum())
        if len(found) <= _MANY_VALUES:
            self._count_pieces(file, labels, found)
        if len(found) > 1 and self.gray8 and sum(m.size for m in self._kept) < _MOST_PIXELS:
            self._kept.append(labels.astype(np.uint8))

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

    @property
    def top(self) -> int:
        return max(self.values, default=0)

    def soft(self) -> bool:
        """Tell whether the masks are binary up to gray edges."""
        if not self.gray8 or self.top < _SMALLEST_TOP or not self._kept:
            return False
        total: Counter[str] = Counter()
        for labels in self._kept:
            total.update(_soft_counts(labels, self.top))
        return _looks_soft(total)


def choose_meaning(found: MaskStatistics, asked: str | None) -> Meaning:
    """Return what the values mean.

    Args:
        found: the statistics of the masks.
        asked: one of :data:`MEANINGS`, the user's answer; None if there is none.

    Raises:
        ValueError: the values may mean several things, or are damaged.
    """
    soft = found.soft()
    if asked == "binary":
        return Meaning("binary", top=found.top if soft or found.jpeg else 0)
    if asked is not None:
        return Meaning(asked, void=_void(found) if asked in ("instances", "classes") else 0)
    if soft:
        return Meaning("binary", top=found.top)
    if found.jpeg and len(found.values) > 1:
        raise ValueError(
            f"the masks are JPEG files with {len(found.values)} values, and JPEG does not keep "
            "values: export the masks as PNG (or, if any gray above half is an object, say "
            "--masks binary)"
        )
    for modulus, kind in ((1000, "class1000"), (256, "class256")):
        if _has_classes(found.values, modulus):
            return Meaning(kind)
    total = sum(found.values.values())
    if found.masks and found.without_background == len(found.masks) and total:
        raise ValueError(
            f"no mask has the value 0 for the background (values: {_listed(found.values)}); "
            f"write masks with 0 where no object is, or {_ASK}"
        )
    if len(found.values) <= 1:
        if found.inverted > 0.8 * sum(map(bool, found.masks.values())):
            raise ValueError(
                f"the masks are not 0 in most pixels and all corners, in {found.inverted} of "
                f"{len(found.masks)} masks: they look inverted. Write 0 for the background, or, if "
                "they are right, say --masks binary"
            )
        return Meaning("binary")
    if found.tiny > 0.5 * total and total > 20:
        raise ValueError(
            f"{found.tiny} of {total} values in the masks cover {_TINY} pixels or less, such as in "
            f"{next(iter(found.masks))}: the masks have soft edges or noise; export them without "
            f"smoothing as PNG, or {_ASK}"
        )
    void = _void(found)
    _check_classes(found, void)
    return Meaning("instances", void=void)


def _listed(values: Counter[int]) -> str:
    names = [str(value) for value in sorted(values)]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _has_classes(values: Counter[int], modulus: int) -> bool:
    """Tell whether values are class * modulus + number.

    Then all are at least the modulus, or small (Cityscapes' classes without instances), and the
    numbers within a class are small. Where every value is one instance, this reading gives the same
    instances.
    """
    found = [value for value in values if value != IGNORED or modulus != 1000]
    large = [value for value in found if value >= modulus]
    small = [value for value in found if value < modulus]
    if not large or max(large) >= 1 << 16 or (small and (modulus != 1000 or max(small) > 40)):
        return False
    classes = {value // modulus for value in large}
    most = 40 if small else 100
    if len(large) < 2 or max(classes) > most or (modulus == 256 and len(classes) < 2):
        return False
    numbers = [value % modulus for value in large]
    other = [value % (256 if modulus == 1000 else 1000) for value in large]
    return max(numbers) < modulus / 2 and max(numbers) < max(other)


def _void(found: MaskStatistics) -> int:
    """Return 255 where it marks undecided pixels, as in Pascal VOC's masks; else 0."""
    others = [value for value in found.values if value != _VOID]
    often = found.values[_VOID] >= max(2, 0.5 * sum(map(bool, found.masks.values())))
    return _VOID if often and others and found.top == _VOID and max(others) <= 64 else 0


def _check_classes(found: MaskStatistics, void: int) -> None:
    """Ask where the values may be classes: in several pieces, or the same few with gaps."""
    values = Counter({value: n for value, n in found.values.items() if value != void})
    masks = [[v for v in there if v != void] for there in found.masks.values()]
    masks = [there for there in masks if there]
    if not masks or len(values) > _MANY_VALUES:
        return
    looked_at = found.single + len(found.split)
    step = int(np.gcd.reduce(sorted(values)))
    gaps = [
        there for there in masks if [v // step for v in there] != list(range(1, len(there) + 1))
    ]
    repeated = sum(values.values()) >= 2 * len(values)
    reason = ""
    if len(found.split) >= 0.25 * looked_at and len(found.split) > 1 and repeated:
        reason = (
            f"{len(found.split)} of {looked_at} values lie in several separate pieces, such as in "
            f"{found.split[0]}"
        )
    elif repeated and len(gaps) >= 0.3 * len(masks) and len(masks) > 1 and len(values) <= 30:
        reason = (
            f"the same {len(values)} values occur in many masks and are not numbered from 1 in "
            "each of them"
        )
    if reason:
        raise ValueError(
            f"the values of the masks ({_listed(values)}) may be instances or classes: {reason}. "
            f"{_ASK[0].upper()}{_ASK[1:]}: with instances, each value in a mask is one object; "
            "with classes, each value is a class and each connected piece of it one object; with "
            "binary, each connected piece of anything but 0 is one object"
        )
