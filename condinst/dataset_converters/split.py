"""Which images are for training and which for validation; duplicates among them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Sample", "find_duplicates", "split_samples"]


@dataclass(frozen=True)
class Sample:
    """An image to be put into a part."""

    name: str  # its path relative to the dataset's folder
    path: Path
    labels: frozenset[Hashable]  # the classes of its objects


def find_duplicates(samples: Sequence[Sample]) -> list[list[int]]:
    """Indices of the samples whose files are equal, byte for byte; groups of two or more.

    Files, not pixels: only files of the same size have to be read, so that a large dataset is
    looked through in the time that listing it takes. A copy that was saved again is not found.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_size[os.path.getsize(sample.path)].append(index)
    groups: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for size, indices in by_size.items():
        for index in indices if len(indices) > 1 else ():
            groups[size, _digest(samples[index].path)].append(index)
    return sorted(group for group in groups.values() if len(group) > 1)


def _digest(path: Path) -> bytes:
    digest = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def split_samples(
    samples: Sequence[Sample],
    duplicates: Sequence[Sequence[int]],
    *,
    val_fraction: float,
    seed: int,
) -> list[bool]:
    """Whether each sample is for validation.

    Classes are dealt out one after the other, the rarest first, each image to the part that is
    further from its share of that class; from two images on a class has a share of one at least
    in both parts. Images without objects are a class of their own. So both parts get all classes
    where the number of images for validation allows it.
    (Iterative stratification: Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011, for two parts.)

    The order among equals comes from a hash of the seed and the name, so it depends neither on the
    file system nor on Python's version. Duplicates go together.

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
    flags = [False] * len(samples)
    for unit in in_val:
        for index in units[unit].members:
            flags[index] = True
    return flags


@dataclass(frozen=True)
class _Unit:
    """Images that stay together."""

    members: tuple[int, ...]
    labels: frozenset[Hashable]


_NO_OBJECTS = ("no objects",)


def _units(
    samples: Sequence[Sample], duplicates: Sequence[Sequence[int]], seed: int
) -> list[_Unit]:
    """In the order of the seed."""
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
    """The units for validation; at most ``wanted`` images, and never all units."""
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        for label in unit.labels:
            holders[label].append(number)
    shares = {label: _share(len(found), val_fraction) for label, found in holders.items()}
    to_val = Counter(shares)
    to_train = Counter({label: len(holders[label]) - share for label, share in shares.items()})
    left = Counter({label: len(found) for label, found in holders.items()})
    free, in_val, room = set(range(len(units))), set[int](), wanted

    def put(number: int, val: bool) -> None:
        nonlocal room
        free.discard(number)
        left.subtract(dict.fromkeys(units[number].labels, 1))
        (to_val if val else to_train).subtract(dict.fromkeys(units[number].labels, 1))
        if val:
            in_val.add(number)
            room -= len(units[number].members)

    while free:
        rarest = min((c for c in left if left[c]), key=lambda label: (left[label], str(label)))
        for number in [unit for unit in holders[rarest] if unit in free]:
            need = to_val[rarest] > 0 and to_val[rarest] >= to_train[rarest]
            fits = len(units[number].members) <= room and len(in_val) < len(units) - 1
            put(number, need and fits)
    return in_val


def _share(count: int, val_fraction: float) -> float:
    share = val_fraction * count
    return share if count < 2 else min(max(share, 1.0), count - 1.0)
