"""Check that a COCO file fits the dataset and the metric of a config that use it."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from condinst.datasets.checks.split_file import SplitFile
from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.entry_issues import first_few
from condinst.images.headers import header_size, missing_files
from condinst.utils.words import counted

__all__ = [
    "check_classes",
    "check_contents",
    "check_images",
    "describe",
]

_WITHOUT = "without a segmentation (allow_box_only=True of the dataset learns from their boxes)"


def check_classes(split: SplitFile) -> list[str]:
    """Compare the classes of the config with the file's categories and the head's outputs."""
    classes, names = split.classes, [name for _, name in split.file.categories]
    if isinstance(classes, str) or not classes:
        return [f'metainfo.classes must be a tuple of names such as ("{classes or "cat"}",)']
    if split.own_classes and set(classes) - set(names):
        return [
            f"the config gives no classes, so those of the dataset's type apply "
            f"({first_few(classes, 3)}), and the file's categories differ: set "
            f"metainfo=dict(classes={_as_tuple(names)}) and "
            f"model.bbox_head.num_classes={len(names)}"
        ]
    if repeated := _repeated(classes):
        return repeated
    problems = []
    absent = [name for name in classes if name not in names]
    if absent:
        problems.append(
            f"classes of the config's metainfo that the file does not have: "
            f"{first_few((_with_matches(name, names) for name in absent), 10)}; the file's "
            f"categories are {first_few((repr(name) for name in names), 20)}"
        )
    used = [name for name in names if name in set(classes)]
    if len(set(used)) < len(used):
        twice = {name for name in used if used.count(name) > 1}
        problems.append(f"categories of the same name under several ids: {first_few(twice)}")
    elif not absent and used != list(classes):
        problems.append(
            "mmdet numbers the classes in the file's order, so the names of the config's metainfo "
            f"would be mixed up; write them in the file's order: classes={_as_tuple(used)}"
        )
    if split.num_classes is not None and split.num_classes != len(classes):
        problems.append(
            f"model.bbox_head.num_classes is {split.num_classes}, the dataset has "
            f"{counted(len(classes), 'class', 'classes')}"
        )
    return problems


def _repeated(classes: Sequence[str]) -> list[str]:
    """Return a message for each name that stands more than once, with its places."""
    messages = []
    for name, count in Counter(classes).items():
        if count > 1:
            places = [f"[{i}]" for i, other in enumerate(classes) if other == name]
            messages.append(
                f"metainfo.classes names {name!r} {count} times, at {first_few(places)}; "
                "expected each name once"
            )
    return messages


def _as_tuple(names: Sequence[str], limit: int = 40) -> str:
    listed = [repr(name) for name in names[:limit]] + (["..."] if len(names) > limit else [])
    return f"({', '.join(listed)},)"


def _with_matches(name: str, names: list[str]) -> str:
    by_lower = {str(known).lower(): known for known in names}
    close = get_close_matches(str(name).lower(), by_lower, n=2)
    if not close:
        return repr(name)
    return f"{name!r} (closest: {', '.join(repr(by_lower[match]) for match in close)})"


def check_contents(split: SplitFile) -> list[str]:
    """Check that images and learnable annotations are left after filtering."""
    if isinstance(split.classes, str) or not split.classes:
        return []
    file = split.file
    if not file.image_ids:
        return ["the file has no images"]
    if split.training and not file.has_annotations:
        return ["not COCO's layout: expected the key annotations in a training file"]
    if not set(split.classes) & {name for _, name in file.categories}:
        return []  # check_classes says why nothing is left
    if not split.kept.any():
        return [
            f"no image is left of {len(file.image_ids)} after filter_cfg={split.filter_cfg}: "
            f"{int(split.of_a_class.sum())} of {len(file.ann_ids)} annotations are of the "
            "config's classes"
        ]
    if not split.training:
        return []
    if split.learnable.any():
        return []
    if split.needs_masks and replace(split, needs_masks=False).learnable.any():
        return [
            "the config trains masks (LoadAnnotations with_mask=True) and no annotation has a "
            "usable segmentation; a BoxInst model learns from boxes alone"
        ]
    return [f"no annotation to learn from: {_counts(split) or 'there are none'}"]


def check_images(split: SplitFile, header_sample: int) -> list[str]:
    """Check that the image files exist and, for a sample, have the annotated size."""
    if split.prefix is None or isinstance(split.classes, str) or not split.classes:
        return []
    kept = np.flatnonzero(split.kept)
    paths = [os.path.join(split.prefix, split.file.file_names[i]) for i in kept]
    missing = set(missing_files(paths))
    problems = []
    if missing:
        problems.append(
            f"{len(missing)} of {len(paths)} images are missing: {first_few(sorted(missing), 3)}"
        )
    there = [(path, i) for path, i in zip(paths, kept, strict=True) if path not in missing]
    places = np.linspace(0, len(there) - 1, min(len(there), header_sample)).astype(int)
    sample = [there[i] for i in places]
    wrong = []
    for path, index in sample:
        height, width = (int(x) for x in split.file.sizes[index])
        try:
            header = header_size(path)
        except ValueError as error:
            wrong.append(f"{path} ({error})")
            continue
        if header is None or header[:2] == (height, width):
            continue
        if not (header[2] and header[1::-1] == (height, width)):
            wrong.append(f"{path} ({header[1]} x {header[0]}, annotated {width} x {height})")
    if wrong:
        problems.append(
            f"{len(wrong)} of {len(sample)} images whose headers were read are broken or of "
            f"another size (width x height) than annotated: {first_few(wrong, 3)}; "
            "use the images that were annotated, or annotations for these"
        )
    return problems


def describe(split: SplitFile, header_sample: int) -> str:
    """Describe a dataset in one line: its size, and what training skips or ignores."""
    file = split.file
    if isinstance(split.classes, str) or not split.classes:
        return file.path
    kept = int(split.kept.sum())
    without = int((split.count_per_image(split.learnable)[split.kept] == 0).sum())
    parts = [
        f"{file.path}: {_number(len(file.image_ids), 'image')}, "
        f"{_number(len(file.ann_ids), 'annotation')}, {_number(len(split.classes), 'class', 'es')}"
    ]
    if kept < len(file.image_ids):
        parts.append(f"{_number(len(file.image_ids) - kept, 'image')} left out by filter_cfg")
    if without:
        parts.append(f"{_number(without, 'image')} without an object to learn from kept")
    counts = _counts(split)
    if counts:
        parts.append(counts)
    if split.prefix is None:
        parts.append("images are not local and were not checked")
    else:
        parts.append(f"headers of {_number(min(kept, header_sample), 'image')} read")
    return "; ".join(parts)


def _number(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"


def _counts(split: SplitFile) -> str:
    """Count in words what is skipped, ignored or stored as RLE; empty if nothing is."""
    file, used = split.file, split.of_a_class
    other, crowds = int((~used).sum()), int((used & file.crowd).sum())
    found = [(int(mask.sum()), reason) for reason, mask in split.skipped.items()]
    found += [(other, "of other classes"), (crowds, "crowd" if crowds == 1 else "crowds")]
    mine = used & ~split.of_boxes
    of_kind = {kind: int((mine & (file.segmentations == kind)).sum()) for kind in Segmentation}
    found += [
        (of_kind[Segmentation.NONE], _WITHOUT if split.needs_masks else "without a segmentation"),
        (of_kind[Segmentation.DEGENERATE], "without one polygon of 3 points"),
        (of_kind[Segmentation.SOME_DEGENERATE], "that lose a polygon of under 3 points"),
    ]
    text = ", ".join(f"{count} {reason}" for count, reason in found if count)
    rle = [
        f"{of_kind[kind]} in {word} RLE"
        for kind, word in (
            (Segmentation.RLE, "compressed"),
            (Segmentation.UNCOMPRESSED_RLE, "uncompressed"),
        )
        if of_kind[kind]
    ]
    boxes = int(split.of_boxes.sum())
    learned = ", and are learned from it" if split.training else ""
    alone = f"{boxes} objects have a box and no mask{learned}" if boxes else ""
    skipped = text and f"skipped or ignored: {text}"
    return "; ".join(part for part in (alone, skipped, *rle) if part)
