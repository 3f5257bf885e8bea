"""Datasets in the form of ``../shared``'s, for checkouts without that folder.

``coco_tiny`` and ``coco_small`` are COCO in its own layout and with its categories: JPEG images of
several sizes; polygons of one or two parts, a few crowds as run lengths. ``nuclei`` has gray and
color PNG files and compressed RLE. ``evaluator`` has detections and what pycocotools says of them.
``cases/coco_json`` has damaged files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from coco_fuzz import damaged_coco
from coco_sets import by_pycocotools, random_set
from mmdet.datasets import CocoDataset
from PIL import Image
from pycocotools import mask as coco_mask

from condinst.datasets.shapes.generator import make_shapes

__all__ = ["write_datasets"]

NAMES = CocoDataset.METAINFO["classes"]
UNUSED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # COCO's category ids have gaps
IDS = [i for i in range(1, 91) if i not in UNUSED_IDS]
COMMON = [NAMES.index(name) for name in ("person", "dog", "tv", "car", "chair")]
SIZES = [(480, 640), (427, 640), (640, 480), (426, 640), (375, 500)]  # height, width
SMALL_SIZES = [(320, 400), (400, 300), (300, 320)]


def write_datasets(folder: Path) -> None:
    """Write all datasets; the same content every time."""
    _write_coco(folder / "coco_tiny", SIZES, seed=1, num_train=80, num_val=80)
    _write_coco(folder / "coco_small", SMALL_SIZES, seed=2, num_train=40, num_val=120)
    _write_nuclei(folder / "nuclei")
    _write_evaluator(folder / "evaluator")
    _write_damaged(folder / "cases/coco_json")


def _write_coco(
    folder: Path, sizes: list[tuple[int, int]], *, seed: int, num_train: int, num_val: int
) -> None:
    rng = np.random.default_rng(seed)
    for split, number in (("train2017", num_train), ("val2017", num_val)):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(number):
            height, width = sizes[index % len(sizes)]
            image = dict(id=1000 * seed + 7 * index, height=height, width=width)
            image["file_name"] = f"{image['id']:012d}.jpg"
            least = 3 if sizes is SMALL_SIZES else 8  # pixels: between the points of stride 8
            objects = [_polygons(rng, height, width, least) for _ in range(rng.integers(6, 14))]
            found = [_outlined(rng, parts) for parts in objects]
            if index % 16 == 3:
                found.append(_crowd(rng, height, width))
            if sizes is SMALL_SIZES and split == "train2017" and index == 0:
                # the only outline that crosses itself
                found.append(_outlined(rng, [np.array([[50, 50], [90, 90], [90, 50], [50, 80]])]))
            for annotation in found:
                annotation.update(id=len(annotations) + 31, image_id=image["id"])
                annotations.append(annotation)
            images.append(image)
            path = folder / split / image["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            canvas = _canvas(rng, height, width, 3)
            for parts in objects:
                color = rng.integers(0, 256, 3).tolist()
                cv2.fillPoly(canvas, [np.rint(part).astype(np.int32) for part in parts], color)
            Image.fromarray(canvas).save(path, quality=90)
        categories = [dict(id=i, name=n) for i, n in zip(IDS, NAMES, strict=True)]
        content = dict(images=images, annotations=annotations, categories=categories)
        _write_json(folder / "annotations" / f"instances_{split}.json", content)


def _canvas(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    """A smooth background with a little noise, (H, W, channels) uint8."""
    coarse = rng.integers(30, 220, (6, 8, channels), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    noise = rng.integers(0, 8, (height, width, 1), dtype=np.uint8)
    return smooth.reshape(height, width, channels) + noise


def _polygons(rng: np.random.Generator, height: int, width: int, least: float) -> list[np.ndarray]:
    """One or two (P, 2) outlines inside the image; none crosses itself."""
    parts = []
    for _ in range(2 if rng.random() < 0.15 else 1):
        radius = float(np.exp(rng.uniform(np.log(least), np.log(120))))
        center = rng.uniform(radius + 1, [width - radius - 1, height - radius - 1])
        angles = (np.arange(16) + rng.uniform(0, 0.8, 16)) * (2 * np.pi / 16)
        lengths = radius * rng.uniform(0.6, 1, 16)
        steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]
        parts.append(np.round(center + steps, 2))
    return parts


def _outlined(rng: np.random.Generator, parts: list[np.ndarray]) -> dict[str, Any]:
    """The annotation of an object; its area and box are those of its outlines, as in COCO."""
    points = np.concatenate(parts).astype(float)
    low, high = points.min(axis=0), points.max(axis=0)
    label = rng.choice(COMMON) if rng.random() < 0.5 else rng.integers(len(NAMES))
    return dict(
        category_id=IDS[label],
        segmentation=[part.astype(float).ravel().tolist() for part in parts],
        area=float(sum(_area(part) for part in parts)),
        bbox=np.round([*low, *(high - low)], 2).tolist(),
        iscrowd=0,
    )


def _area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _crowd(rng: np.random.Generator, height: int, width: int) -> dict[str, Any]:
    """The annotation of a group of discs, as a list of run lengths."""
    mask = np.zeros((height, width), np.uint8)
    for _ in range(6):
        x, y = (int(rng.integers(40, side - 40)) for side in (width, height))
        cv2.circle(mask, (x, y), int(rng.integers(8, 30)), 1, -1)
    pixels = mask.T.ravel()
    borders = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff([0, *borders, pixels.size]).tolist()
    rle = coco_mask.encode(np.asfortranarray(mask))
    return dict(
        category_id=IDS[0],
        segmentation=dict(size=[height, width], counts=counts),
        area=int(mask.sum()),
        bbox=coco_mask.toBbox(rle).tolist(),
        iscrowd=1,
    )


def _write_nuclei(folder: Path) -> None:
    rng = np.random.default_rng(3)
    for split, number in (("train", 48), ("val", 12)):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(number):
            height, width = [(256, 256), (256, 320), (360, 360)][index % 3]
            image = dict(id=index + 1, height=height, width=width)
            image["file_name"] = f"{split}_{index:03d}.png"
            canvas = _canvas(rng, height, width, 3 if index % 4 == 0 else 1)
            taken = np.zeros((height, width), bool)
            for _ in range(60):
                x, y = (int(rng.integers(0, side)) for side in (width, height))
                mask = np.zeros((height, width), np.uint8)
                axes = rng.integers(5, 13, 2).tolist()
                cv2.ellipse(mask, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
                if (mask.astype(bool) & taken).any():
                    continue
                taken |= mask.astype(bool)
                canvas[mask.astype(bool)] = rng.integers(150, 256, canvas.shape[2])
                rle = coco_mask.encode(np.asfortranarray(mask))
                annotations.append(
                    dict(
                        id=len(annotations) + 1,
                        image_id=image["id"],
                        category_id=1,
                        segmentation=dict(size=rle["size"], counts=rle["counts"].decode()),
                        area=int(mask.sum()),
                        bbox=coco_mask.toBbox(rle).tolist(),
                        iscrowd=0,
                    )
                )
            images.append(image)
            path = folder / split / image["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(canvas.squeeze()).save(path, compress_level=1)
        categories = [dict(id=1, name="nucleus")]
        content = dict(images=images, annotations=annotations, categories=categories)
        _write_json(folder / "annotations" / f"instances_{split}.json", content)


def _write_evaluator(folder: Path) -> None:
    content, found = random_set(seed=4, num_images=40, per_image=12, num_found=40)
    new_id = dict(zip((3, 5, 8, 9), (1, 3, 44, 47), strict=True))  # some of COCO's ids
    for entry in (*content["annotations"], *found):
        entry["category_id"] = new_id[entry["category_id"]]
    for category in content["categories"]:
        category["id"] = new_id[category["id"]]
    _write_json(folder / "ground_truth.json", content)
    _write_json(folder / "detections.json", found)
    expected = {
        iou_type: by_pycocotools(content, found, iou_type, box_areas=True).tolist()
        for iou_type in ("bbox", "segm")
    }
    _write_json(folder / "expected_pycocotools.json", expected)


def _write_damaged(folder: Path) -> None:
    make_shapes(folder / "shapes", num_train=1, num_val=6, size=96)
    file = folder / "shapes/annotations/instances_val.json"
    content = json.loads(file.read_text())
    for family in ("structure", "polygons"):
        for seed in range(12):
            text = damaged_coco(content, family, seed)
            (folder / f"{family}_{seed}.json").write_bytes(text)


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
