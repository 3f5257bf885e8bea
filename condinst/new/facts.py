"""Collect the facts on a dataset that a config depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.entry_issues import CROWDS_HELP, first_few
from condinst.datasets.coco.file_cache import keep_file, mark_of, take_file
from condinst.new.inputs import Inputs, look_at_inputs
from condinst.utils.words import counted

_MASKS = (
    Segmentation.POLYGONS,
    Segmentation.SOME_DEGENERATE,
    Segmentation.RLE,
    Segmentation.UNCOMPRESSED_RLE,
)


class SplitFiles(Protocol):
    """The files of one split, such as a ``condinst.dataset_converters.DatasetSplit``."""

    @property
    def ann_file(self) -> Path: ...

    @property
    def img_dir(self) -> str | Path: ...

    @property
    def source(self) -> Path: ...


@dataclass(frozen=True)
class DataFacts:
    """The facts on a dataset, with sizes in pixels.

    Attributes:
        classes: classes with an object in either split, in the order of the training file.
        unused: the other classes of the training file.
        num_train, num_val: number of images.
        num_objects: number of training objects, without crowds.
        num_negatives: number of training images without objects.
        images_per_class: number of training images with an object of each class.
        size: median width and height of the training images.
        smallest_side: shortest side of any image.
        largest: width and height of the image with most pixels.
        aspect: ratio of the longer to the shorter side that 95% of the images do not exceed.
        object_sizes: 10%, 50% and 90% quantiles of the sizes of training objects; the size is the
            square root of the box's area.
        grows: whether objects are larger in larger images, as in photographs; under a microscope
            their size in pixels stays the same.
        busiest: largest number of objects in an image of either split.
        busiest_file: file name of that image.
        masks: whether any (training, validation) object has a mask.
        inputs: the pixels of the files.
        img_paths: the training images.
        box_only: number of (training, validation) objects with a box and no mask.
    """

    classes: tuple[str, ...]
    unused: tuple[str, ...]
    num_train: int
    num_val: int
    num_objects: int
    num_negatives: int
    images_per_class: tuple[int, ...]
    size: tuple[int, int]
    smallest_side: int
    largest: tuple[int, int]
    aspect: float
    object_sizes: tuple[float, float, float]
    grows: bool
    busiest: int
    busiest_file: str
    masks: tuple[bool, bool]
    inputs: Inputs
    img_paths: tuple[Path, ...]
    box_only: tuple[int, int] = (0, 0)

    @property
    def mixed(self) -> tuple[bool, bool]:
        """Whether a part of the (training, validation) objects has masks, and a part has not."""
        first, second = (
            has_masks and count > 0
            for has_masks, count in zip(self.masks, self.box_only, strict=True)
        )
        return first, second


def collect_facts(train: SplitFiles, val: SplitFiles) -> DataFacts:
    """Read both annotation files and some of their images.

    Raises:
        ValueError: a file cannot be read, has an issue, or holds no objects; the message names it.
        FileNotFoundError: an image is missing.
    """
    files = [_read(split) for split in (train, val)]
    columns = [_Objects.of(file) for file in files]
    for split, objects in zip((train, val), columns, strict=True):
        if not len(objects.sizes):
            raise ValueError(_no_objects(split, "train" if split is train else "val", files))
    first, second = columns
    names = [name for _, name in files[0].categories]
    other = [name for _, name in files[1].categories]
    if set(other) - set(names) or not names:
        raise ValueError(
            f"{val.source}: its categories are {first_few(other)}, those of {train.source} are "
            f"{first_few(names)}; expected the same"
        )
    held = {n for n, count in zip(other, second.images_per_class, strict=True) if count}
    counts = dict(zip(names, first.images_per_class, strict=True))
    classes = tuple(name for name, count in counts.items() if count or name in held)
    sizes = np.concatenate([file.sizes for file in files])  # (N, 2) height, width
    long, short = sizes.max(axis=1), sizes.min(axis=1)
    most = [int(objects.per_image.argmax()) for objects in columns]
    busiest = max((0, 1), key=lambda i: int(columns[i].per_image[most[i]]))
    paths = [
        [Path(split.img_dir) / name for name in file.file_names]
        for split, file in zip((train, val), files, strict=True)
    ]
    height, width = np.median(files[0].sizes, axis=0)
    top = sizes[sizes.prod(axis=1).argmax()]
    return DataFacts(
        classes=classes,
        unused=tuple(name for name in names if name not in classes),
        num_train=len(files[0].image_ids),
        num_val=len(files[1].image_ids),
        num_objects=len(first.sizes),
        num_negatives=int((first.per_image == 0).sum()),
        images_per_class=tuple(counts[name] for name in classes),
        size=(int(width), int(height)),
        smallest_side=int(short.min()),
        largest=(int(top[1]), int(top[0])),
        aspect=float(np.quantile(long / short, 0.95)),
        object_sizes=tuple(np.quantile(first.sizes, (0.1, 0.5, 0.9)).tolist()),
        grows=_grows(first, files[0].sizes),
        busiest=int(columns[busiest].per_image[most[busiest]]),
        busiest_file=files[busiest].file_names[most[busiest]],
        masks=(first.masks, second.masks),
        inputs=look_at_inputs([*paths[0], *paths[1]]),
        img_paths=tuple(paths[0]),
        box_only=(first.box_only, second.box_only),
    )


def _no_objects(split: SplitFiles, part: str, files: Sequence[CocoFile]) -> str:
    """Return the message on a split without objects: why, and what helps."""
    use, word = ("learn", "training") if part == "train" else ("measure", "validation")
    text = f"{split.source}: expected objects to {use} in the {word} split, found none"
    file = files[0 if part == "train" else 1]
    if crowds := int(file.crowd.sum()):
        return f"{text}: {crowds} of its {len(file.ann_ids)} annotations are crowds. {CROWDS_HELP}"
    if len(file.ann_ids):
        return (
            f"{text}: the boxes of its {len(file.ann_ids)} annotations are smaller than a pixel, "
            "or the annotations have ignore 1"
        )
    return f"{text}: its {len(file.image_ids)} images have no annotations"


def _read(split: SplitFiles) -> CocoFile:
    try:
        mark = mark_of(str(split.ann_file))
        file = take_file(str(split.ann_file))
        keep_file(file, mark)  # for the data check at the end
    except ValueError as error:
        raise ValueError(f"{split.source}: {error}") from None
    if file.problems:
        text = f"{split.source}: {'; '.join(file.problems)}"
        if split.source.suffix.lower() == ".json":
            text += (
                f". To fix a copy, run condinst doctor --data {split.source} --images "
                f"{split.img_dir} --fix fixed"
            )
        raise ValueError(text)
    if not file.has_annotations or not file.image_ids:
        raise ValueError(f"{split.source}: expected images with annotations, found none")
    return file


@dataclass(frozen=True)
class _Objects:
    """The objects of a file, without crowds and empty boxes.

    Attributes:
        sizes: (A,) square roots of the areas of the boxes.
        images: (A,) indices of the images.
        per_image: (N,) number of objects.
        images_per_class: number of images with an object of each category.
        masks: whether any object has a mask.
        box_only: number of objects with a box and no mask.
    """

    sizes: np.ndarray
    images: np.ndarray
    per_image: np.ndarray
    images_per_class: tuple[int, ...]
    masks: bool
    box_only: int

    @classmethod
    def of(cls, file: CocoFile) -> _Objects:
        wanted = ~file.crowd & ~file.ignore & (file.boxes[:, 2:] >= 1).all(axis=1)
        images, labels = file.image_index[wanted], file.category_index[wanted]
        pairs = np.unique(np.stack([images, labels]), axis=1)
        count = len(file.categories)
        has_mask = np.isin(file.segmentations[wanted], _MASKS)
        return cls(
            sizes=np.sqrt(file.boxes[wanted, 2:].prod(axis=1)),
            images=images,
            per_image=np.bincount(images, minlength=len(file.image_ids)),
            images_per_class=tuple(np.bincount(pairs[1], minlength=count).tolist()),
            masks=bool(has_mask.any()),
            box_only=int(file.without_mask[wanted].sum()),
        )


def _grows(objects: _Objects, sizes: np.ndarray) -> bool:
    """Tell whether object sizes relative to the image vary less between images than in pixels."""
    order = np.argsort(objects.images, kind="stable")
    groups = np.split(
        np.log(objects.sizes[order]), np.flatnonzero(np.diff(objects.images[order])) + 1
    )
    medians = np.array([np.median(group) for group in groups])
    sides = 0.5 * np.log(sizes.prod(axis=1)[np.unique(objects.images)])
    if sides.std() < 0.1:  # images of one size: both vary alike
        return True
    return bool((medians - sides).std() <= medians.std())


def describe(facts: DataFacts) -> Sequence[tuple[str, str]]:
    """Return name and value of each fact, to be printed."""
    small, median, large = facts.object_sizes
    kinds = "; ".join(
        f"{kind} in {counted(count, 'image')}" for kind, count in facts.inputs.kinds.items()
    )
    checked, number = sum(facts.inputs.kinds.values()), facts.num_train + facts.num_val
    if checked < number:
        kinds += f" ({checked} of {number} were checked)"
    busiest = f"{facts.busiest} in the busiest ({facts.busiest_file})"
    return [
        ("images", f"{facts.num_train} to train on, {facts.num_val} to validate on"),
        ("classes", f"{len(facts.classes)}: {first_few(facts.classes, 8)}"),
        ("objects", f"{facts.num_objects} in the training images, {busiest}"),
        ("without objects", f"{facts.num_negatives} training images"),
        (
            "image size",
            f"{facts.size[0]} x {facts.size[1]} (median); {_by(facts.largest)} has most pixels",
        ),
        (
            "object size",
            f"{median:.0f} pixels (median), 80% from {small:.0f} to {large:.0f}: square roots of "
            "the areas of boxes",
        ),
        ("pixels", kinds),
        ("masks", _masks(facts)),
    ]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _masks(facts: DataFacts) -> str:
    text = {
        (True, True): "yes",
        (True, False): "for training, only boxes for validation",
        (False, True): "for validation, only boxes for training",
        (False, False): "no, only boxes",
    }[facts.masks]
    if facts.mixed[0]:
        text += f"; {facts.box_only[0]} of {facts.num_objects} training objects have only a box"
    if facts.mixed[1]:
        text += f"; {counted(facts.box_only[1], 'validation object')} with only a box"
    return text


def notes_on(facts: DataFacts) -> list[str]:
    """Return sentences on classes and images that a user should know."""
    notes = []
    if facts.unused:
        notes.append(f"classes without objects, left out: {first_few(facts.unused, 8)}")
    pairs = zip(facts.classes, facts.images_per_class, strict=True)
    if absent := [name for name, count in pairs if not count]:
        notes.append(
            f"classes in no training image, which cannot be learned: {first_few(absent, 8)}"
        )
    if facts.mixed[0]:
        notes.append(
            f"{facts.box_only[0]} of {facts.num_objects} training objects have a box and no mask: "
            "CondInst learns these from their boxes and the others from their masks"
        )
    if facts.mixed[1]:
        notes.append(
            f"{facts.box_only[1]} validation objects have a box and no mask: box AP counts them, "
            "mask AP leaves them out"
        )
    return [*notes, *facts.inputs.notes]
