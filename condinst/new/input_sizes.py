"""Choose the image sizes of the training and test pipelines."""

from __future__ import annotations

import math
from dataclasses import dataclass

from condinst.new.facts import DataFacts

# Sizes in pixels that objects should exceed in the network's input: (half of them, 90% of them).
# The finest level has a point every 8 pixels. With COCO's recipe, which enlarges images 1.7 times,
# the sizes are 86 and 22; that takes too long on a CPU.
_TARGETS = {"cuda": (48, 20), "cpu": (40, 16)}
_LARGEST_FACTOR = 3.0  # further enlarging adds no detail
_WHOLE_IMAGE = {"cuda": 1333 * 800, "cpu": 384 * 384}  # most pixels of a training image
_TEST_IMAGE = {"cuda": 4 * 1333 * 800, "cpu": 6_000_000}  # prediction needs far less memory
_FINE_MASKS = 48  # below this median size, masks are learned at every second pixel


@dataclass(frozen=True)
class Views:
    """Image sizes of the training and test pipelines.

    Attributes:
        factor: enlargement of the images; below 1 they are reduced.
        crop: shortest and longest side of a training crop, in image pixels; None for whole
            images.
        scales: (long, short) sides to choose from in training; one square for crops.
        test_scale: (long, short) side of a test image; None enlarges it by ``test_factor``.
        test_factor: ``factor``, or less if the largest image would take too much memory.
        mask_stride: input pixels between the cells of the learned masks.
        megapixels: size of one training image in the network.
        why: reason for a comment in the config.
        tiles: side of the tiles for prediction, in image pixels, if the largest image is too large
            at ``factor``; else None.
    """

    factor: float
    crop: tuple[int, int] | None
    scales: tuple[tuple[int, int], ...]
    test_scale: tuple[int, int] | None
    test_factor: float
    mask_stride: int
    megapixels: float
    why: str
    tiles: int | None = None


def choose_views(facts: DataFacts, device: str, memory_megapixels: float) -> Views:
    """Enlarge images until the objects are large enough, as far as memory and time allow.

    Args:
        facts: facts on the dataset.
        device: "cpu" or "cuda".
        memory_megapixels: size of the largest training image that fits into memory.
    """
    small, median, large = facts.object_sizes
    cap = min(_WHOLE_IMAGE[device], memory_megapixels * 1e6)
    goal, goal_of_small = _TARGETS[device]
    wanted = min(max(goal / median, goal_of_small / small), _LARGEST_FACTOR)
    fits = math.sqrt(cap / math.prod(facts.size))
    half = f"half of the objects are under {median:.0f} pixels"
    if wanted <= 1.25 * fits and facts.grows:
        factor = _round(min(max(1.0, wanted), fits))
        return _whole(facts, factor, f"{half}, the images {_by(facts.size)}: used {_at(factor)}")
    side = _multiple(min(math.sqrt(cap), max(wanted, 1.0) * min(facts.size)), 32)
    # crops are twice as wide as most objects, so that few objects are cut
    factor = _round(min(max(wanted, 1.0), side / (2 * large)))
    if factor <= 1.25 * fits and facts.grows:
        factor = _round(fits)
        return _whole(facts, factor, f"{half}; whole images fit {_at(factor)}")
    return _crops(facts, factor, side, device, f"{half}: crops, used {_at(factor)}")


def _whole(facts: DataFacts, factor: float, why: str) -> Views:
    short = _multiple(factor * min(facts.size), 8)
    long = _multiple(short * facts.aspect, 8)
    shorts = sorted({_multiple(short * (0.8 + 0.04 * i), 8) for i in range(6)})
    return Views(
        factor=factor,
        crop=None,
        scales=tuple((long, s) for s in shorts),
        test_scale=(long, short),
        test_factor=factor,
        mask_stride=_mask_stride(facts, factor),
        megapixels=factor**2 * math.prod(facts.size) / 1e6,
        why=why,
    )


def _crops(facts: DataFacts, factor: float, side: int, device: str, why: str) -> Views:
    low, high = (_multiple(side / (factor * jitter), 8) for jitter in (1.25, 0.8))
    largest_factor = math.sqrt(_TEST_IMAGE[device] / math.prod(facts.largest))
    return Views(
        factor=factor,
        crop=(low, high),
        scales=((side, side),),
        test_scale=None,
        test_factor=factor if factor <= largest_factor else _round(largest_factor),
        mask_stride=_mask_stride(facts, factor),
        megapixels=side * side / 1e6,
        why=why,
        tiles=_multiple(side / factor * 2, 32) if factor > largest_factor else None,
    )


def _mask_stride(facts: DataFacts, factor: float) -> int:
    return 2 if factor * facts.object_sizes[1] < _FINE_MASKS else 4


def _round(factor: float) -> float:
    """Round down to two digits, so that the image still fits into memory."""
    digits = 1 - math.floor(math.log10(factor))
    return math.floor(factor * 10**digits) / 10**digits


def _multiple(value: float, of: int) -> int:
    return max(of, round(value / of) * of)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _at(factor: float) -> str:
    return "at their size" if factor == 1 else f"at {factor:g} times their size"
