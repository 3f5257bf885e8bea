"""Images with label maps, as COCO files: the 380, 67 and 50 images of StarDist's benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from condinst.masks.crop import Crop
from condinst.masks.rle import as_text, encode_crop
from condinst.utils.files import write_whole

__all__ = ["SPLITS", "names_of", "read_labels", "write_coco_files"]

SPLITS = ("train", "val", "test")


def names_of(folder: Path, split: str) -> list[str]:
    """Return the file names of a split, sorted.

    Args:
        folder: has ``train/`` and ``test/``, each with ``images/`` and ``masks/`` of PNG files of
            equal names, and ``validation.json``, which names the images of ``train/`` that are kept
            for validation.
        split: one of :data:`SPLITS`.

    Raises:
        FileNotFoundError: there are no images.
    """
    place = folder / ("test" if split == "test" else "train") / "images"
    names = sorted(path.name for path in place.glob("*.png"))
    if not names:
        raise FileNotFoundError(f"{place}: expected PNG images")
    if split == "test":
        return names
    kept = set(json.loads((folder / "validation.json").read_text())["validation"])
    return [name for name in names if (Path(name).stem in kept) == (split == "val")]


def read_labels(path: Path) -> np.ndarray:
    """Return the label map of a file, (H, W) int64."""
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int64)


def write_coco_files(folder: Path, out: Path, splits: Sequence[str] = SPLITS) -> None:
    """Write ``annotations/instances_SPLIT.json``, and links to the images, unless they exist."""
    for split in splits:
        path = out / "annotations" / f"instances_{split}.json"
        images = out / split
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(_coco(folder, split)))
        if not images.exists():
            kind = "test" if split == "test" else "train"
            images.symlink_to((folder / kind / "images").resolve(), target_is_directory=True)


def _coco(folder: Path, split: str) -> dict:
    images: list[dict] = []
    annotations: list[dict] = []
    masks = folder / ("test" if split == "test" else "train") / "masks"
    for name in names_of(folder, split):
        labels = read_labels(masks / name)
        height, width = labels.shape
        images.append(dict(id=len(images) + 1, file_name=name, height=height, width=width))
        for number in np.unique(labels[labels > 0]):
            crop = Crop.of(labels == number)
            rows, columns = crop.mask.shape
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=len(images),
                    category_id=1,
                    iscrowd=0,
                    area=int(crop.mask.sum()),
                    bbox=[crop.x, crop.y, columns, rows],
                    segmentation=as_text(encode_crop(crop, (height, width))),
                )
            )
    return dict(images=images, annotations=annotations, categories=[dict(id=1, name="nucleus")])
