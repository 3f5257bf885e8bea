"""Examine one or several datasets: find their issues and the images they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from condinst.data_report.box_issues import find_in_boxes
from condinst.data_report.image_facts import (
    ImageFacts,
    find_in_images,
    look_at_images,
    same_images,
)
from condinst.data_report.issues import Issue, Item, find_in_file, group
from condinst.data_report.mask_measures import Masks, measure_masks
from condinst.data_report.report_source import ReportSource
from condinst.data_report.statistics import Statistics, measure

__all__ = ["DECODED", "Examination", "examine", "examine_file"]

DECODED = 1000  # images of a dataset that are decoded unless all are asked for


@dataclass(frozen=True)
class Examination:
    """The results for one dataset.

    Attributes:
        source: the dataset.
        masks: measures of its masks.
        facts: what its image files hold.
        issues: the issues by the key of their kind, in the order of the catalog.
    """

    source: ReportSource
    masks: Masks
    facts: ImageFacts
    issues: dict[str, Issue]

    @cached_property
    def statistics(self) -> Statistics:
        """Return counts and measures of the dataset."""
        return measure(self.source, self.masks, self.facts)

    @property
    def looked_at(self) -> str:
        """Return a sentence on which images were read."""
        number = len(self.source.file.file_names)
        if self.source.images is None:
            return "The image files were not read: their folder was not found."
        facts = self.facts
        read, decoded = facts.num_read, len(facts.pixels)
        if len(facts.decoded) < read:
            return (
                f"The headers of {_share(read, number)} were read; {len(facts.decoded):,} of them, "
                "evenly spaced, were decoded (--deep decodes all)."
            )
        if decoded == number == 1:
            return "The image was read and decoded."
        some = _share(decoded, number)
        return f"{some[0].upper()}{some[1:]} were read and decoded."


def _share(part: int, number: int) -> str:
    return f"all {number:,} images" if part == number else f"{part:,} of {number:,} images"


def examine(
    sources: Sequence[ReportSource],
    *,
    deep: bool = False,
    training: Sequence[bool] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Examination]:
    """Find the issues of datasets.

    Args:
        sources: the datasets; images that several of them hold are found too.
        deep: decode every image instead of :data:`DECODED` per dataset.
        training: flags of the datasets that are trained on, by default the first one. An image
            in one of these and in one of the others is a leak, and is listed with the former.
        progress: called with a text at each step.

    Returns:
        One examination for each source, in order.
    """
    trained = list(training or [i == 0 for i in range(len(sources))])
    all_masks, all_facts, all_found = [], [], []
    for source in sources:
        progress(f"{source.name}: masks of {source.num_annotations} annotations")
        masks, found = _look_at_file(source)
        progress(f"{source.name}: {len(source.file.file_names)} images")
        facts = look_at_images(source, None if deep else DECODED)
        found += find_in_images(source, facts)
        all_masks.append(masks)
        all_facts.append(facts)
        all_found.append(found)
    progress("equal images")
    for same in same_images(sources, all_facts):
        for s, item, key in _same(sources, trained, same):
            all_found[s].append((key, item))
    return [
        Examination(source, masks, facts, group(found))
        for source, masks, facts, found in zip(
            sources, all_masks, all_facts, all_found, strict=True
        )
    ]


def examine_file(source: ReportSource) -> Examination:
    """Find the issues of an annotation file without reading its images."""
    masks, found = _look_at_file(source)
    facts = ImageFacts([None] * len(source.file.file_names))
    return Examination(source, masks, facts, group(found))


def _look_at_file(source: ReportSource) -> tuple[Masks, list[tuple[str, Item]]]:
    masks = measure_masks(source)
    return masks, [*find_in_file(source, masks), *find_in_boxes(source, masks)]


def _same(
    sources: Sequence[ReportSource], trained: Sequence[bool], same: Sequence[tuple[int, int]]
) -> list[tuple[int, Item, str]]:
    """Return (source, item, kind's key) of the issues of one image that occurs several times."""
    found = []
    for s, source in enumerate(sources):
        own = list(dict.fromkeys(source.file.file_names[i] for t, i in same if t == s))
        first = {source.file.file_names[i]: i for t, i in reversed(same) if t == s}
        if len(own) > 1:  # one file under several ids is "image_file_twice"
            kept = max(own, key=lambda name: _num_annotations(source, first[name]))
            found += [
                (s, Item(image=first[name], detail=f"as {kept}"), "same_pixels")
                for name in own
                if name != kept
            ]
    elsewhere = [(s, i) for s, i in same if not trained[s]]
    for s, i in same:
        if trained[s] and elsewhere:
            other, j = elsewhere[0]
            name = f"in {sources[other].name} as {sources[other].file.file_names[j]}"
            found.append((s, Item(image=i, detail=name), "leak"))
    return found


def _num_annotations(source: ReportSource, image: int) -> int:
    return int((source.file.image_index == image).sum())
