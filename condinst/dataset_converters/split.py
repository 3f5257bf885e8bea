"""Split images into training and validation, and find duplicate files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Sample", "digest", "find_duplicates", "split_samples"]


@dataclass(frozen=True)
class Sample:
    """An image to assign to a split."""

    name: str  # the path relative to the dataset's folder
    path: Path
    labels: frozenset[Hashable]  # the classes of the objects, without crowds


def find_duplicates(samples: Sequence[Sample]) -> list[list[int]]:
    """Return groups of two or more indices of samples whose files are equal, byte for byte.

    The files are compared and not the pixels: only files of equal size have to be read, so a large
    dataset takes about as long as listing it. A copy that was encoded again is not found.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_size[os.path.getsize(sample.path)].append(index)
    groups: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for size, indices in by_size.items():
        for index in indices if len(indices) > 1 else ():
            groups[size, digest(samples[index].path)].append(index)
    return sorted(group for group in groups.values() if len(group) > 1)


def digest(path: Path) -> bytes:
    """Return a hash of a file's bytes."""
    found = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.digest()


def split_samples(
    samples: Sequence[Sample],
    duplicates: Sequence[Sequence[int]],
    *,
    val_fraction: float,
    seed: int,
) -> list[bool]:
    """Choose the samples for validation, with every class spread evenly.

    This is iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011) for two
    splits. Classes are distributed one after the other, the rarest first, and each image goes to
    the split that still needs more images of that class. A class with two or more images gets at
    least one in each split, as far as the number of images for validation allows. Images without
    objects count as a class. Each split has an image with objects if two images have any.

    Ties are ordered by a hash of the seed and the name, so the split depends neither on the file
    system nor on Python's version. Duplicates stay in one split.

    Args:
        samples: N images.
        duplicates: groups of indices, as :func:`find_duplicates` returns them.
        val_fraction: fraction of the images for validation.
        seed: of the order of ties.

    Returns:
        N flags, True for validation.

    Raises:
        ValueError: fewer than two different images.
    """
    units = _units(samples, duplicates, seed)
    if len(units) < 2:
        raise ValueError(
            f"a split into training and validation needs at least two different images, "
            f"found {len(units)}"
        )
    wanted = min(max(1, round(val_fraction * len(samples))), len(samples) - 1)
    in_val = _deal(units, wanted, val_fraction)
    if not in_val:  # every unit is larger than what is wanted
        in_val = {min(range(len(units)), key=lambda unit: len(units[unit].members))}
    _share_objects(units, in_val)
    flags = [False] * len(samples)
    for unit in in_val:
        for index in units[unit].members:
            flags[index] = True
    return flags


@dataclass(frozen=True)
class _Unit:
    """Images that go to the same split."""

    members: tuple[int, ...]
    labels: frozenset[Hashable]


_NO_OBJECTS = ("no objects",)


def _units(
    samples: Sequence[Sample], duplicates: Sequence[Sequence[int]], seed: int
) -> list[_Unit]:
    """Group duplicates into units, in the order of the seed."""
    grouped = {index for group in duplicates for index in group}
    groups = [tuple(group) for group in duplicates]
    groups += [(index,) for index in range(len(samples)) if index not in grouped]

    def key(group: tuple[int, ...]) -> tuple[bytes, str]:
        name = min(samples[index].name for index in group)
        return hashlib.sha256(f"{seed}:{name}".encode()).digest(), name

    return [
        _Unit(
            group,
            frozenset().union(*(samples[index].labels for index in group))
            or frozenset(_NO_OBJECTS),
        )
        for group in sorted(groups, key=key)
    ]


def _deal(units: list[_Unit], wanted: int, val_fraction: float) -> set[int]:
    """Choose the units for validation: at most ``wanted`` images, and never all units."""
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        for label in unit.labels:
            holders[label].append(number)
    targets = {label: _val_target(len(found), val_fraction) for label, found in holders.items()}
    to_val = Counter(targets)
    to_train = Counter({label: len(holders[label]) - count for label, count in targets.items()})
    left = Counter({label: len(found) for label, found in holders.items()})
    free, in_val, capacity = set(range(len(units))), set[int](), wanted

    def put(number: int, val: bool) -> None:
        nonlocal capacity
        free.discard(number)
        left.subtract(dict.fromkeys(units[number].labels, 1))
        (to_val if val else to_train).subtract(dict.fromkeys(units[number].labels, 1))
        if val:
            in_val.add(number)
            capacity -= len(units[number].members)

    while free:
        rarest = min((c for c in left if left[c]), key=lambda label: (left[label], str(label)))
        for number in [unit for unit in holders[rarest] if unit in free]:
            need = to_val[rarest] > 0 and to_val[rarest] >= to_train[rarest]
            fits = len(units[number].members) <= capacity and len(in_val) < len(units) - 1
            put(number, need and fits)
    return in_val


def _share_objects(units: list[_Unit], in_val: set[int]) -> None:
    """Give each split a unit with objects, in exchange for one without, if two units have any."""
    every = set(range(len(units)))
    full = {number for number in every if units[number].labels != frozenset(_NO_OBJECTS)}
    if len(full) < 2:
        return
    for lacking in (in_val, every - in_val):
        if full & lacking:
            continue
        given = min(full, key=lambda number: (len(units[number].members), number))
        returned = min(lacking, key=lambda number: (len(units[number].members), number))
        in_val ^= {given, returned}


def _val_target(count: int, val_fraction: float) -> float:
    """Return how many of ``count`` images of a class validation should get."""
    target = val_fraction * count
    return target if count < 2 else min(max(target, 1.0), count - 1.0)
