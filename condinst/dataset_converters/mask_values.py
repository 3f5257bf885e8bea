"""Find out what the values of label maps mean: instances, classes, both in one number, or one bit.

Where the values do not tell, the answer is a question: an error that names ``--masks``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from condinst.dataset_converters.mask_inversion import MOST_INVERTED
from condinst.dataset_converters.mask_statistics import MANY_VALUES, MaskStatistics

__all__ = [
    "IGNORED",
    "MEANINGS",
    "Meaning",
    "choose_meaning",
]

MEANINGS = ("instances", "classes", "binary", "class1000", "class256")
_ASK = "use --masks instances, --masks classes or --masks binary"
_VOID = 255
IGNORED = 10000  # of MOTS


@dataclass(frozen=True)
class Meaning:
    """The rule by which the values of label maps are read.

    Attributes:
        kind: one of :data:`MEANINGS`.
        top: for binary masks with gray edges or from JPEG, the value of an object; pixels above
            half of it are objects. 0 where every value but 0 is an object.
        void: the value of pixels that nobody decided on; 0 without one.
        shift: the lowest bits that mean nothing: 8 where red is the class and green the number.
        things: classes whose instances are numbered from 0, so that class * 256 is one too.
    """

    kind: str
    top: int = 0
    void: int = 0
    shift: int = 0
    things: frozenset[int] = frozenset()


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
        if found.looks_smeared and not soft and not found.jpeg:
            return Meaning("binary", top=found.lowest_area)
        return Meaning("binary", top=found.top if soft or found.jpeg else 0)
    colored = [value % 256 == 0 and value > 65535 for value in found.values]
    red_green = bool(colored) and all(colored)
    if asked is not None and asked != "class256":
        return Meaning(asked, void=_void(found) if asked in ("instances", "classes") else 0)
    if asked is not None:
        return Meaning(asked, shift=8 * red_green)
    if red_green and _has_classes(Counter({v >> 8: n for v, n in found.values.items()}), 256):
        return Meaning("class256", shift=8)
    moduli = ((1000, "class1000"), (256, "class256"))
    coded = next((kind for modulus, kind in moduli if _has_classes(found.values, modulus)), None)
    inverted, _, mixed = found.count_inverted(soft)
    if inverted > MOST_INVERTED * mixed and coded is None:
        raise ValueError(
            "one value other than 0 fills most pixels, most of the border, and surrounds the rest, "
            f"in {inverted} of {mixed} masks with two values or more: they look inverted. Write 0 "
            f"for the background, or, if they are right, {_ASK}"
            + (
                ". If they are class * 256 + number, as Mapillary Vistas' instances, use --masks "
                "class256"
                if 255 < max(found.values) < 1 << 16
                else ""
            )
            + (
                ". If each pixel has a class, as in semantic segmentation (ADE20K), --masks "
                "classes makes each connected piece of a value an object, also of ground and walls"
                if found.without_background == len(found.masks)
                else ""
            )
        )
    if soft:
        return Meaning("binary", top=found.top)
    if found.jpeg and len(found.values) > 1:
        raise ValueError(
            f"the masks are JPEG files with {len(found.values)} values, and JPEG does not keep "
            "values: export the masks as PNG (or, if any gray above half is an object, use "
            "--masks binary)"
        )
    total = sum(found.values.values())
    if max(found.tiny, found.smeared) > 0.5 * total and total > 20:
        raise ValueError(
            f"{max(found.tiny, found.smeared)} of {total} values in the masks have no area of "
            f"their own, such as in {next(iter(found.masks))}: the masks have soft edges or noise; "
            f"export them without smoothing as PNG, or {_ASK}"
        )
    if coded is not None:
        return Meaning(coded)
    if found.masks and found.without_background == len(found.masks) and total:
        raise ValueError(
            f"no mask has the value 0 for the background (values: {_listed(found.values)}); "
            f"write masks with 0 where no object is, or {_ASK}"
        )
    if len(found.values) <= 1:
        return Meaning("binary")
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
    if not masks or len(values) > MANY_VALUES:
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
