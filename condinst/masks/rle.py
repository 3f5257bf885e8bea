"""COCO's run-length encoding (RLE) of masks: read, check and write it with numpy alone.

RLE is checked before pycocotools reads it, because pycocotools 2.0.11 trusts its input. The part of
a mask that a truncated RLE does not cover holds arbitrary memory, and an RLE of another image size
is drawn askew; neither raises an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from condinst.masks.crop import Crop

__all__ = [
    "as_text",
    "checked_rle",
    "crop_of_rle",
    "encode_changes",
    "encode_crop",
    "encode_crop_changes",
    "encode_runs",
    "read_counts",
    "read_many_counts",
]


def read_counts(counts: bytes) -> np.ndarray:
    """Unpack COCO's compressed counts into int64 run lengths, which start with background."""
    return read_many_counts([counts])[0]


def read_many_counts(counts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Unpack the compressed counts of one or more masks at once.

    Each number is stored in base 32, least significant digit first, one character per digit
    (value = character - 48, bit 5 = more digits follow, bit 4 of the last digit = sign). From a
    mask's fourth number on it is the difference from the number two places before.

    Returns:
        The run lengths of all masks, mask by mask, each starting with background; and the number of
        runs of each mask. Both int64.

    Raises:
        ValueError: the counts of a mask are not compressed RLE.
    """
    digits = np.frombuffer(b"".join(counts), np.uint8).astype(np.int64) - 48
    sizes = np.array([len(text) for text in counts])
    ends = np.cumsum(sizes)
    if sizes.min() == 0 or digits.min() < 0 or digits.max() > 63 or (digits[ends - 1] & 32).any():
        raise ValueError("its counts are not compressed RLE")
    last = np.flatnonzero((digits & 32) == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(digits.size) - np.repeat(first, last - first + 1)
    if place.max() > 6:  # 35 bits hold every image; more would overflow below
        raise ValueError("its counts are not compressed RLE")
    numbers = np.add.reduceat((digits & 31) << (5 * place), first)
    numbers -= np.where(digits[last] & 16, np.int64(1) << (5 * (place[last] + 1)), 0)
    num_runs = np.diff(np.searchsorted(last, ends), prepend=0)
    return _undo_differences(numbers, num_runs), num_runs


def _undo_differences(numbers: np.ndarray, num_runs: np.ndarray) -> np.ndarray:
    """Restore run lengths: sum every second number of each mask, from the second and third on."""
    starts = np.repeat(np.cumsum(num_runs) - num_runs, num_runs)
    index = np.arange(len(numbers)) - starts  # within its mask
    sums = np.zeros(len(numbers) + 2, np.int64)  # sums[i] adds the numbers i - 2, i - 4, ...
    sums[2::2] = np.cumsum(numbers[0::2])
    sums[3::2] = np.cumsum(numbers[1::2])
    first = starts + np.where(index == 0, 0, 2 - index % 2)
    return sums[2:] - sums[first]


def checked_rle(segmentation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """Check the RLE of an image of ``height`` x ``width`` and compress it for pycocotools.

    Args:
        segmentation: compressed (``counts`` a string) or uncompressed (``counts`` a list) RLE.
        height, width: size of the image.

    Raises:
        ValueError: ``segmentation`` is not an RLE of that size. The message is worded to follow
            "annotation X: ".
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size is None or counts is None:
        keys = str(sorted(map(str, segmentation)))[:80]
        raise ValueError(f"its RLE needs the keys counts and size, got {keys}")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise ValueError(
            f"its RLE is of size {_short(size)} (height, width), the image's is {[height, width]}"
        )
    if isinstance(counts, str):
        counts = counts.encode(errors="surrogatepass")
    runs = read_counts(counts) if isinstance(counts, bytes) else _listed_counts(counts)
    total = height * width
    # a count above the number of pixels could make the sum overflow
    if (runs < 0).any() or (runs > total).any() or runs.sum() != total:
        covered = sum(runs.tolist())
        raise ValueError(
            f"its RLE counts cover {covered} pixels, the image has {total}"
            + (" (some counts are negative)" if (runs < 0).any() else "")
        )
    if isinstance(counts, bytes):
        return {"size": [height, width], "counts": counts}
    return encode_runs(runs, height, width)


def crop_of_rle(rle: dict[str, Any]) -> Crop:
    """Decode a mask to its crop; memory is allocated for the crop's columns alone.

    Args:
        rle: the result of :func:`checked_rle`.
    """
    height, width = rle["size"]
    runs, _ = read_many_counts([rle["counts"]])
    ends = np.cumsum(runs)
    first, last = ends[:-1:2], ends[1::2]  # each run of the mask: its first place, and past its end
    first, last = first[last > first], last[last > first]
    if not len(first):
        return Crop(np.zeros((0, 0), bool), 0, 0)
    left, right = int(first[0]) // height, int(last[-1] - 1) // height + 1
    steps = np.zeros((right - left) * height + 1, np.int8)
    steps[first - left * height] += 1
    steps[last - left * height] -= 1
    columns = np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(right - left, height)
    rows = np.flatnonzero(columns.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Crop(columns[:, top:bottom].T.copy(), left, top)


def _listed_counts(counts: Any) -> np.ndarray:
    """Read counts that are written as a list of whole numbers, as int64."""
    try:
        # float64 takes whole numbers of any size, and keeps fractions to be refused below
        numbers = np.asarray(counts, np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.full(1, np.nan)
    with np.errstate(invalid="ignore"):
        runs = numbers.astype(np.int64)
    whole = runs.ndim == 1 and bool((runs == numbers).all())
    if not whole or any(type(count) in (str, bool) for count in counts):
        raise ValueError("its RLE counts are neither a string nor a list of integers")
    return runs


def _short(value: Any) -> str:
    """Return at most 60 characters of a value for a message."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # a number with more digits than Python prints
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def encode_crop(crop: Crop, image_size: tuple[int, int]) -> dict[str, Any]:
    """Encode a mask that is given as a crop.

    Args:
        crop: the mask as a numpy array.
        image_size: height and width of the image.

    Returns:
        ``size`` [H, W] and ``counts``, the same bytes that pycocotools writes.
    """
    # Runs go down the columns. A row of background above and below ends them at the crop's edge.
    # (w * (h + 2),)
    columns = np.pad(crop.mask.T, ((0, 0), (1, 1))).ravel()
    changes = np.flatnonzero(columns[1:] != columns[:-1])
    return encode_crop_changes(changes, crop, image_size)


def encode_crop_changes(
    changes: np.ndarray, crop: Crop, image_size: tuple[int, int]
) -> dict[str, Any]:
    """Encode a mask by the places where its crop changes from background to mask or back.

    Args:
        changes: ascending places in the joined columns of the crop, each column with one pixel of
            background above and below.
        crop: gives position and height; its pixels are not read.
        image_size: height and width of the image.
    """
    height, width = image_size
    column, row = np.divmod(changes, crop.mask.shape[0] + 2)
    places = (column + crop.x) * height + row + crop.y
    # a run that ends at the bottom of the image continues in a run at the top of the next column
    joined = np.flatnonzero(places[1:-1:2] == places[2::2]) * 2 + 1
    return encode_changes(np.delete(places, np.concatenate([joined, joined + 1])), height, width)


def encode_changes(changes: np.ndarray, height: int, width: int) -> dict[str, Any]:
    """Encode a mask by the places where it changes, counted down the columns of the image.

    Args:
        changes: ascending places; the mask starts with background.
        height, width: size of the image.
    """
    if len(changes) and changes[-1] == height * width:  # the last run ends with the image
        changes = changes[:-1]
    return encode_runs(np.diff(changes, prepend=0, append=height * width), height, width)


def encode_runs(runs: np.ndarray, height: int, width: int) -> dict[str, Any]:
    """Encode run lengths that start with background and cover the image."""
    return {"size": [height, width], "counts": _compress(runs)}


def as_text(rle: dict[str, Any]) -> dict[str, Any]:
    """Return the RLE with ``counts`` as a string and ``size`` as ints, the form in JSON files."""
    counts = rle["counts"]
    counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in rle["size"]], "counts": counts}


def _compress(runs: np.ndarray) -> bytes:
    """Write run lengths in the format that :func:`read_many_counts` reads."""
    rest = runs.astype(np.int64)
    rest[3:] -= runs[1:-2]  # differences, as COCO stores them from the fourth number on
    digits = np.zeros((len(rest), 7), np.uint8)  # 35 bits hold every image
    used = np.zeros(digits.shape, bool)
    going_on = np.ones(len(rest), bool)
    for place in range(digits.shape[1]):
        digit = rest & 31
        rest = rest >> 5
        used[:, place] = going_on
        # digits follow until the rest is nothing but the sign of the last one
        going_on = going_on & (rest != np.where(digit & 16, -1, 0))
        digits[:, place] = digit + 32 * going_on + 48
    return digits[used].tobytes()
