"""Split a dataset and note what a user should know about the split."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence

from condinst.dataset_converters.records import Notes
from condinst.dataset_converters.split import Sample, find_duplicates, split_samples

__all__ = ["note_shared_images", "split_with_notes"]


def note_shared_images(splits: Mapping[str, Sequence[Sample]], notes: Notes) -> None:
    """Note which images of the source are in more than one of its splits."""
    samples = [sample for split in splits.values() for sample in split]
    of = [name for name, split in splits.items() for _ in split]
    for group in find_duplicates(samples):
        names = ", ".join(f"{of[i]}: {samples[i].name}" for i in group)
        if len({of[i] for i in group}) > 1:
            notes.count(
                "Images in more than one split (equal files), kept as the data have it", names
            )
        else:
            notes.count("Equal files within one split", names)


def split_with_notes(
    samples: Sequence[Sample], notes: Notes, *, val_fraction: float, seed: int
) -> list[bool]:
    """Call :func:`split_samples` and note the result."""
    duplicates = find_duplicates(samples)
    for group in duplicates:
        names = " = ".join(samples[index].name for index in group[:3])
        names += f" = ... ({len(group)} files)" if len(group) > 3 else ""
        notes.count("Equal image files (compared byte for byte), kept in the same split", names)
    flags = split_samples(samples, duplicates, val_fraction=val_fraction, seed=seed)
    notes.say(
        f"No validation split is given: of {len(samples)} images {sum(flags)} are for validation "
        f"and {len(flags) - sum(flags)} for training (fraction {val_fraction:g}, seed {seed}, "
        "classes spread evenly)."
    )
    if sentence := _on_frames(samples):
        notes.say(sentence)
    in_val: Counter = Counter()
    in_all: Counter = Counter()
    for sample, flag in zip(samples, flags, strict=True):
        in_all.update(sample.labels)
        in_val.update(sample.labels if flag else ())
    for text, lacking in (
        ("validation", [label for label in in_all if not in_val[label]]),
        ("training", [label for label in in_all if in_val[label] == in_all[label]]),
    ):
        if lacking:
            listed = ", ".join(sorted(map(str, lacking))[:10])
            more = ", ..." if len(lacking) > 10 else ""
            notes.say(f"{len(lacking)} classes are in no image for {text}: {listed}{more}.")
    return flags


def _on_frames(samples: Sequence[Sample]) -> str:
    """Return a warning where the images lie in folders of consecutive numbers, as of videos."""
    numbers: dict[str, list[str]] = {}
    for sample in samples:
        parent, name = os.path.split(sample.name)
        numbers.setdefault(parent, []).append(os.path.splitext(name)[0])
    if len(numbers) < 2 or not all(map(_consecutive, numbers.values())):
        return ""
    return (
        f"The images lie in {len(numbers)} folders of numbered images, such as {min(numbers)}: if "
        "these are frames of videos, frames of one video are for training and for validation, and "
        "the figures look too good. List whole folders in a train.txt and a val.txt to prevent it."
    )


def _consecutive(stems: Sequence[str]) -> bool:
    if len(stems) < 2 or not all(s.isascii() and s.isdigit() and len(s) < 16 for s in stems):
        return False
    found = sorted(map(int, stems))
    return found[-1] - found[0] == len(found) - 1
