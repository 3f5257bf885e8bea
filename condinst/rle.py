"""Run-length encoded masks as COCO stores them, checked before pycocotools sees them.

pycocotools 2.0.11 trusts its input: the part of a mask that a code cut short does not cover holds
whatever stood in memory, a code made for another picture size is drawn askew, and neither raises.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

__all__ = ["checked_rle", "read_codes", "read_counts"]


def read_counts(code: bytes) -> np.ndarray:
    """Unpack COCO's compressed counts into run lengths, int64, starting with background."""
    return read_codes([code])[0]


def read_codes(codes: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Unpack the compressed counts of several masks at once; one code at least.

    Each number is stored in base 32, least significant digit first, one character per digit
    (value = character - 48, bit 5 = more digits follow, bit 4 of the last digit = sign). From a
    code's fourth number on it is the difference from the number two places before.

    Returns:
        The run lengths of all masks, one mask after the other, each starting with background; and
        the number of runs of each mask. Both int64.
    """
    digits = np.frombuffer(b"".join(codes), np.uint8).astype(np.int64) - 48
    sizes = np.array([len(code) for code in codes])
    ends = np.cumsum(sizes)
    if sizes.min() == 0 or digits.min() < 0 or digits.max() > 63 or (digits[ends - 1] & 32).any():
        raise ValueError("its counts are not a compressed run-length code")
    last = np.flatnonzero((digits & 32) == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(digits.size) - np.repeat(first, last - first + 1)
    if place.max() > 6:  # 35 bits hold every picture; more would overflow below
        raise ValueError("its counts are not a compressed run-length code")
    numbers = np.add.reduceat((digits & 31) << (5 * place), first)
    numbers -= np.where(digits[last] & 16, np.int64(1) << (5 * (place[last] + 1)), 0)
    num_runs = np.diff(np.searchsorted(last, ends), prepend=0)
    return _undo_differences(numbers, num_runs), num_runs


def _undo_differences(numbers: np.ndarray, num_runs: np.ndarray) -> np.ndarray:
    """Sum up every second number of each code, from its second and from its third one on."""
    starts = np.repeat(np.cumsum(num_runs) - num_runs, num_runs)
    index = np.arange(len(numbers)) - starts  # in its code
    sums = np.zeros(len(numbers) + 2, np.int64)  # sums[i]: of the numbers i - 2, i - 4, ...
    sums[2::2] = np.cumsum(numbers[0::2])
    sums[3::2] = np.cumsum(numbers[1::2])
    first = starts + np.where(index == 0, 0, 2 - index % 2)
    return sums[2:] - sums[first]


def checked_rle(segmentation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """The mask of a picture of ``height`` x ``width`` as compressed RLE for ``pycocotools``.

    Takes compressed (``counts`` a string) and uncompressed (``counts`` a list) RLE. Raises
    ValueError, worded to follow "annotation X: ", when the code is not one of that picture.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size is None or counts is None:
        keys = str(sorted(map(str, segmentation)))[:80]
        raise ValueError(f"its RLE needs the keys counts and size, got {keys}")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise ValueError(
            f"its RLE is of size {_short(size)} (height, width), the picture's is {[height, width]}"
        )
    if isinstance(counts, str):
        counts = counts.encode(errors="surrogatepass")
    runs = read_counts(counts) if isinstance(counts, bytes) else _listed_counts(counts)
    total = height * width
    # a count of more than all pixels could make the sum overflow
    if (runs < 0).any() or (runs > total).any() or runs.sum() != total:
        covered = sum(runs.tolist())
        raise ValueError(
            f"its RLE counts cover {covered} pixels, the picture has {total}"
            + (" (some counts are negative)" if (runs < 0).any() else "")
        )
    if isinstance(counts, bytes):
        return {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)


def _listed_counts(counts: Any) -> np.ndarray:
    """Counts that are written as a list of whole numbers, int64."""
    try:
        numbers = np.asarray(counts, np.float64)  # whole numbers of any size, and what is none
    except (TypeError, ValueError, OverflowError):
        numbers = np.full(1, np.nan)
    with np.errstate(invalid="ignore"):
        runs = numbers.astype(np.int64)
    whole = runs.ndim == 1 and bool((runs == numbers).all())
    if not whole or any(type(count) in (str, bool) for count in counts):
        raise ValueError("its RLE counts are neither a string nor a list of integers")
    return runs


def _short(value: Any) -> str:
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # a number of more digits than Python prints
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
