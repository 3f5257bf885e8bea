"""How large the network sees the images, in training and afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass

from condinst.new.facts import DataFacts

# Sizes that objects should have in the network's input: (half of them, 90% of them), pixels. The
# finest level has a point every 8. On COCO, whose recipe shows images 1.7 times as large, they
# are 86 and 22; a CPU has not the time for that.
_TARGETS = {"cuda": (48, 20), "cpu": (40, 16)}
_LARGEST_FACTOR = 3.0  # beyond, enlarging adds no detail
_WHOLE_IMAGE = {"cuda": 1333 * 800, "cpu": 384 * 384}  # most pixels of a training image
_TEST_IMAGE = {"cuda": 4 * 1333 * 800, "cpu": 6_000_000}  # a prediction needs far less memory
_FINE_MASKS = 48  # below this median size, masks are learned at every second pixel


@dataclass(frozen=True)
class Views:
    """Sizes of the training and test pipelines.

    Attributes:
        factor: by which images are enlarged; below 1, shrunk.
        crop: shortest and longest side of what is cut out for training, in the image's pixels;
            None where whole images are shown.
        scales: (long, short) sides to choose from in training; of a crop, one square.
        test_scale: (long, short) side of a test image; None where it is enlarged by a factor.
        test_factor: this factor; smaller than ``factor`` where the largest image would otherwise
            take too much memory.
        mask_stride: pixels of the input from one cell of the learned masks to the next.
        megapixels: of one training image in the network.
        why: a sentence for the config.
        tiles: side of the tiles, in the image's pixels, that prediction should be made by where
            the largest image is too large at ``factor``; None where it is not.
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
    """Enlarge until the objects are large enough, as far as memory and time allow.

    Args:
        device: "cpu" or "cuda".
        memory_megapixels: of the largest training image that a step has memory for.
    """
    small, median, large = facts.object_sizes
    cap = min(_WHOLE_IMAGE[device], memory_megapixels * 1e6)
    goal, goal_of_small = _TARGETS[device]
    wanted = min(max(goal / median, goal_of_small / small), _LARGEST_FACTOR)
    fits = math.sqrt(cap / math.prod(facts.size))
    half = f"half of the objects are under {median:.0f} pixels"
    if wanted <= 1.25 * fits and facts.grows:
        factor = _round(min(max(1.0, wanted), fits))
        return _whole(facts, factor, f"{half}, the images {_by(facts.size)}: shown {_at(factor)}")
    side = _multiple(min(math.sqrt(cap), max(wanted, 1.0) * min(facts.size)), 32)
    # crops twice as wide as most objects: fewer of them are cut
    factor = _round(min(max(wanted, 1.0), side / (2 * large)))
    if factor <= 1.25 * fits and facts.grows:
        factor = _round(fits)
        return _whole(facts, factor, f"{half}; whole images fit {_at(factor)}")
    return _crops(facts, factor, side, device, f"{half}: crops, shown {_at(factor)}")


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
    """Two digits, rounded down, so that what fits still fits."""
    digits = 1 - math.floor(math.log10(factor))
    return math.floor(factor * 10**digits) / 10**digits


def _multiple(value: float, of: int) -> int:
    return max(of, round(value / of) * of)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _at(factor: float) -> str:
    return "at their size" if factor == 1 else f"at {factor:g} times their size"
