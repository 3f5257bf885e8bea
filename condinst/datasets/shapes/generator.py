"""Generate the dataset "shapes": COCO JSON and images that depend only on the seed.

Layout of the folder that :func:`make_shapes` writes::

    train/000000.png ...   val/000000.png ...
    annotations/instances_train.json   annotations/instances_val.json
    shapes.json            the parameters; "complete" is true once everything is written

Segmentations come in the three forms of COCO: polygons, compressed and uncompressed RLE. Polygons
run a quarter of a pixel inside the mask's border, so that pycocotools draws the exact mask from
them. A polygon cannot have a hole, so a shape with a hole is always stored as RLE.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from condinst.datasets.shapes.scene import CLASSES, Scene, draw_scene
from condinst.masks.rle import as_text
from condinst.utils.files import write_whole

__all__ = ["CLASSES", "make_shapes"]

_PARAMETERS_FILE = "shapes.json"
_VERSION = 1  # increase it if the same parameters give other images or annotations
_SPLITS = ("train", "val")
_EMPTY_EVERY = 20  # each 20th image has no objects
_SIZE_RANGE = (64, 2048)


def make_shapes(
    out: str | os.PathLike[str],
    *,
    num_train: int = 1000,
    num_val: int = 60,
    size: int = 128,
    seed: int = 0,
    on_image: Callable[[int, int], object] | None = None,
) -> bool:
    """Write the dataset to the folder ``out``, unless it is already there.

    Every image depends only on ``seed``, its split and its index, so a larger ``num_train`` adds
    images and keeps the others. A shapes dataset with other parameters, or an incomplete one, is
    replaced.

    Args:
        out: the folder.
        num_train, num_val: images of each split.
        size: side of the square images, pixels.
        seed: seed of the random numbers.
        on_image: called after each image, with the number of images written and of all images.

    Returns:
        True if the dataset was written, False if ``out`` already had it with these parameters.

    Raises:
        ValueError: a number is out of range, or ``out`` is not empty and has no shapes dataset.
    """
    _check_arguments(num_train=num_train, num_val=num_val, size=size, seed=seed)
    folder = Path(out)
    counts = {"train": num_train, "val": num_val}
    parameters = {"version": _VERSION, "seed": seed, "size": size, **counts}
    found = _read_parameters(folder)
    if found == {**parameters, "complete": True} and _has_all_files(folder, counts):
        return False
    _clear(folder)
    _write_json(folder / _PARAMETERS_FILE, {**parameters, "complete": False})
    written = itertools.count(1)

    def count() -> None:
        number = next(written)
        if on_image is not None:
            on_image(number, num_train + num_val)

    annotations = {split: _write_split(folder, split, parameters, count) for split in _SPLITS}
    for split, content in annotations.items():
        _write_json(_annotation_file(folder, split), content)
    _write_json(folder / _PARAMETERS_FILE, {**parameters, "complete": True})
    return True


def _check_arguments(*, num_train: int, num_val: int, size: int, seed: int) -> None:
    low, high = _SIZE_RANGE
    if not low <= size <= high:
        raise ValueError(f"size: expected {low} to {high} pixels, got {size}")
    for name, count in (("num_train", num_train), ("num_val", num_val)):
        if count < 1:
            raise ValueError(f"{name}: expected at least 1 image, got {count}")
    if seed < 0:
        raise ValueError(f"seed: expected 0 or more, got {seed}")


def _annotation_file(folder: Path, split: str) -> Path:
    return folder / "annotations" / f"instances_{split}.json"


def _read_parameters(folder: Path) -> dict[str, Any] | None:
    """Read the parameters that an earlier run wrote; None if ``folder`` is new or empty."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder, found a file")
    if not any(folder.iterdir()):
        return None
    try:
        found = json.loads((folder / _PARAMETERS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or "complete" not in found:
        raise ValueError(
            f"{folder}: expected a new or empty folder or an earlier shapes dataset, found a "
            f"folder without a readable {_PARAMETERS_FILE}; nothing was changed"
        )
    return found


def _has_all_files(folder: Path, counts: dict[str, int]) -> bool:
    return all(
        _annotation_file(folder, split).is_file()
        and all((folder / split / _file_name(i)).is_file() for i in range(count))
        for split, count in counts.items()
    )


def _clear(folder: Path) -> None:
    """Remove the folders that an earlier run wrote, annotations first, and nothing else."""
    for name in ("annotations", *_SPLITS):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
        (folder / name).mkdir(parents=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, separators=(",", ":")) + "\n")


def _file_name(index: int) -> str:
    return f"{index:06d}.png"


def _write_split(
    folder: Path, split: str, parameters: dict[str, Any], count: Callable[[], None]
) -> dict[str, Any]:
    """Write the images of one split and return its COCO dictionary."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    size = parameters["size"]
    for index in range(parameters[split]):
        rng = np.random.default_rng([parameters["seed"], _SPLITS.index(split), index])
        scene = draw_scene(rng, size, empty=index % _EMPTY_EVERY == _EMPTY_EVERY - 1)
        _write_image(folder / split / _file_name(index), scene.image)
        count()
        images.append(
            {"id": index + 1, "file_name": _file_name(index), "width": size, "height": size}
        )
        for annotation in _annotate(rng, scene):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": index + 1, "iscrowd": 0, **annotation}
            )
    return {
        "info": {"description": "condinst shapes", **parameters},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": i + 1, "name": name, "supercategory": name} for i, name in enumerate(CLASSES)
        ],
    }


def _write_image(path: Path, image: np.ndarray) -> None:
    # Python writes the file, because OpenCV's own writer fails with some path names on Windows.
    done, buffer = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    assert done
    write_whole(path, buffer.tobytes())


def _annotate(rng: np.random.Generator, scene: Scene) -> list[dict[str, Any]]:
    """Return the COCO annotations of a scene without ids; bbox is xywh around the mask's pixels."""
    annotations = []
    for mask, label in zip(scene.masks, scene.labels, strict=True):
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        x, y = int(columns[0]), int(rows[0])
        annotations.append(
            {
                "category_id": int(label) + 1,
                "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
                "area": int(mask.sum()),
                "segmentation": _segmentation(rng, mask),
            }
        )
    return annotations


def _segmentation(rng: np.random.Generator, mask: np.ndarray) -> list | dict[str, Any]:
    polygons = _polygons(mask)
    if polygons is not None and rng.random() < 0.6:
        return polygons
    rle = mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))
    if rng.random() < 0.5:
        return as_text(rle)
    return {"size": rle["size"], "counts": _run_lengths(mask)}


def _polygons(mask: np.ndarray) -> list[list[float]] | None:
    """Return the outline of every connected part as a flat xy list; None if a part has a hole."""
    doubled = mask.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if (np.asarray(hierarchy)[0, :, 3] >= 0).any():  # a contour with a parent is a hole
        return None
    # The center of pixel 0 of the doubled image is at 0.25 of the image.
    return [(c.reshape(-1) / 2.0 + 0.25).tolist() for c in contours]


def _run_lengths(mask: np.ndarray) -> list[int]:
    """Return uncompressed RLE: run lengths in column order, starting with background."""
    flat = mask.ravel(order="F")
    borders = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], borders, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs
