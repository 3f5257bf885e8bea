"""Try every transform that mmdet registers on masks and images of every kind, and print what works.

Whether a mask fits is seen in pixels: the transform runs once for each object, on an image in which
only this object is white, each time with the same random numbers. What is white afterwards is
compared with the object's mask.

    PYTHONPATH=. python tests/helpers/transform_matrix.py  # the tables in docs/mmdet.md
"""

from __future__ import annotations

import copy
import logging
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS
from mmengine.registry import DefaultScope
from pycocotools import mask as coco_mask

import condinst.datasets  # noqa: F401  (registers)
from condinst.datasets.checks.pixel_checks import check_pixels
from condinst.datasets.checks.transform_checks import check_transforms
from condinst.images.pixel_format import PixelFormat
from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

HEIGHT, WIDTH = 240, 336
KINDS = ("polygons", "RLE", "mixed", "empty", "one object")
PIXELS = {
    "gray, 8 bits": PixelFormat(1),
    "gray, 16 bits": PixelFormat(1, "uint16"),
    "5 channels, 8 bits": PixelFormat(5),
}
COLORS = PixelFormat()
LEAST_IOU = 0.9
# of objects that are cut to a few pixels, the border is most of the mask
LEAST_PIXELS = 200


@dataclass(frozen=True)
class Case:
    """A transform with arguments under which it changes the image.

    Attributes:
        name: the name that mmdet registers.
        arguments: of the transform.
        others: number of images that a ``MultiImageMixDataset`` gives it.
        keeps_masks: whether it changes colors only, so that masks stay as they are.
        cached: number of images that it has seen before.
    """

    name: str
    arguments: dict = field(default_factory=dict)
    others: int = 0
    keeps_masks: bool = False
    cached: int = 0


_COLORS = ("AutoContrast", "Brightness", "Color", "Contrast", "Equalize", "Invert", "Posterize")
_COLORS += ("Sharpness", "Solarize", "SolarizeAdd")
_POLICY = [
    [
        dict(type="Rotate", prob=1.0, level=8, img_border_value=0),
        dict(type="ShearX", prob=1.0, level=5, img_border_value=0),
    ]
]
_SCALE = (WIDTH, HEIGHT)

CASES = (
    Case("Resize", dict(scale=(451, 299), keep_ratio=False)),
    Case("FixScaleResize", dict(scale=(451, 299), keep_ratio=True)),
    Case("FixShapeResize", dict(width=411, height=350, keep_ratio=True)),
    Case("ResizeShortestEdge", dict(scale=197, max_size=900)),
    Case("RandomFlip", dict(prob=1.0, direction="horizontal")),
    Case("RandomFlip", dict(prob=1.0, direction="diagonal")),
    Case("RandomFlip_GLIP", dict(prob=1.0)),
    Case("RandomShift", dict(prob=1.0, max_shift_px=80)),
    Case("Pad", dict(size_divisor=64)),
    Case("RandomCrop", dict(crop_size=(0.6, 0.6), crop_type="relative")),
    Case("RandomCrop", dict(crop_size=(180, 140), recompute_bbox=True, allow_negative_crop=True)),
    Case("MinIoURandomCrop", dict(min_ious=(0.0, 0.0, 0.0))),
    Case("Expand", dict(prob=1.0, mean=(0, 0, 0), ratio_range=(1.3, 2))),
    Case("Rotate", dict(prob=1.0, level=8, img_border_value=0)),
    Case("ShearX", dict(prob=1.0, level=6, img_border_value=0)),
    Case("ShearY", dict(prob=1.0, level=6, img_border_value=0)),
    Case("TranslateX", dict(prob=1.0, level=10, max_mag=0.3, img_border_value=0)),
    Case("TranslateY", dict(prob=1.0, level=10, max_mag=0.3, img_border_value=0)),
    Case("RandAugment", dict(aug_space=[[_POLICY[0][0]], [_POLICY[0][1]]], aug_num=2)),
    Case("AutoAugment", dict(policies=_POLICY)),
    Case("RandomAffine", dict(max_rotate_degree=20.0, border_val=(0, 0, 0))),
    Case("RandomErasing", dict(n_patches=3, ratio=0.25, img_border_value=0)),
    Case("RandomOrder", dict(transforms=[dict(type="RandomFlip", prob=1.0), _POLICY[0][0]])),
    Case("Mosaic", dict(img_scale=_SCALE, pad_val=0), others=3),
    Case("MixUp", dict(img_scale=_SCALE, pad_val=0), others=1),
    Case("CopyPaste", dict(max_num_pasted=4, mask_occluded_thr=30), others=1),
    Case("CachedMosaic", dict(img_scale=_SCALE, pad_val=0, max_cached_images=8), cached=6),
    Case("CachedMixUp", dict(img_scale=_SCALE, pad_val=0, max_cached_images=8), cached=3),
    Case(
        "Albu",
        dict(
            transforms=[
                dict(type="HorizontalFlip", p=1.0),
                dict(type="Affine", rotate=(-25, 25), scale=(0.8, 1.2), p=1.0),
                dict(type="RandomCrop", height=200, width=280, p=1.0),
            ],
            bbox_params=dict(type="BboxParams", format="pascal_voc"),
        ),
    ),
    *(Case(name, dict(prob=1.0, level=7), keeps_masks=True) for name in _COLORS),
    Case("ColorTransform", dict(prob=1.0, level=7), keeps_masks=True),
    Case("PhotoMetricDistortion", keeps_masks=True),
    Case("YOLOXHSVRandomAug", keeps_masks=True),
    Case("CutOut", dict(n_holes=2, cutout_shape=(40, 40)), keeps_masks=True),
    Case("SegRescale", keeps_masks=True),
    Case("FilterAnnotations", dict(min_gt_bbox_wh=(1, 1), keep_empty=False), keeps_masks=True),
    Case("Corrupt", dict(corruption="gaussian_blur"), keeps_masks=True),
    Case("InstaBoost"),
    Case("RandomCenterCropPad"),
)
# mmdet registers these too; masks of instances do not pass through them
OTHER = {
    "loads something else than instance masks": (
        *("InferencerLoader", "LoadEmptyAnnotations", "LoadImageFromNDArray", "LoadProposals"),
        *("LoadMultiChannelImageFromFiles", "LoadPanopticAnnotations", "LoadTextAnnotations"),
        "LoadTrackAnnotations",
    ),
    "for tracking": ("BaseFrameSample", "UniformRefFrameSample", "PackTrackInputs"),
    "for re-identification": ("PackReIDInputs",),
    "for text prompts": ("RandomSamplingNegPos", "GTBoxSubOne_GLIP"),
    "packs or wraps what others have made": (
        *("ImageToTensor", "LoadAnnotations", "MultiBranch", "PackDetInputs", "ToTensor"),
        *("ProposalBroadcaster", "Transpose", "WrapFieldsToLists"),
    ),
    "a base class": ("GeomTransform",),
}


def sample(kind: str, seed: int = 0, only: int | None = None, pixels: PixelFormat = COLORS) -> dict:
    """Return an image as our loader loads it: discs, rings and bars that do not touch.

    Args:
        kind: one of ``KINDS``.
        seed: another seed gives other objects, with labels from 10 * seed on.
        only: the label of the object that is white; None for all.
        pixels: the format of the image.
    """
    places = [(x, y) for y in (60, 176) for x in (56, 168, 276)]
    rng = np.random.default_rng(seed)
    number = {"empty": 0, "one object": 1}.get(kind, len(places))
    channels = () if pixels.channels == 1 else (pixels.channels,)
    image = np.zeros((HEIGHT, WIDTH, *channels), pixels.dtype)
    instances = []
    for index, (x, y) in enumerate(places[:number]):
        outline = _outline(x + rng.integers(-6, 7), y + rng.integers(-6, 7), index, rng)
        rle = coco_mask.frPyObjects([outline.ravel().tolist()], HEIGHT, WIDTH)[0]
        mask = coco_mask.decode(rle)
        label = 10 * seed + index
        if only in (None, label):
            image[mask > 0] = pixels.largest
        stored: Any = [outline.ravel().tolist()]
        if kind == "RLE" or (kind == "mixed" and (index + seed) % 2):
            stored = dict(size=[HEIGHT, WIDTH], counts=rle["counts"])
        x1, y1, w, h = coco_mask.toBbox(rle)
        instances.append(
            dict(bbox=[x1, y1, x1 + w, y1 + h], bbox_label=label, mask=stored, ignore_flag=0)
        )
    results = dict(
        img=image,
        img_shape=(HEIGHT, WIDTH),
        ori_shape=(HEIGHT, WIDTH),
        instances=instances,
        img_path=f"{kind}-{seed}.png",
    )
    load = TRANSFORMS.build(
        dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False)
    )
    return load(results)


def _outline(x: int, y: int, index: int, rng: np.random.Generator) -> np.ndarray:
    if index % 3 == 2:  # a bar that is turned
        turn = rng.uniform(0, np.pi)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        return np.array([[-42, -16], [42, -16], [42, 16], [-42, 16]]) @ axes + [x, y]
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if index % 3 == 1:  # a ring whose hole is joined to the outline by a cut
        inner = np.concatenate([circle[:1], circle[:0:-1], circle[:1]]) * 18
        return np.concatenate([circle * 42, circle[:1] * 42, inner]) + [x, y]
    return circle * [46, 34] + [x, y]


def run(
    case: Case, kind: str, seed: int, only: int | None = None, pixels: PixelFormat = COLORS
) -> Any:
    """Transform an image once; images that are mixed in are of other kinds, if the kind is mixed.

    Returns:
        The results; None where the transform drops the image.
    """
    _seed(seed)
    with DefaultScope.overwrite_default_scope("condinst"):
        transform = TRANSFORMS.build(dict(type=case.name, **copy.deepcopy(case.arguments)))
    order = ("polygons", "RLE", "empty") if kind == "mixed" else (kind,) * 3
    for index in range(case.cached):
        transform(sample(order[index % 3], index + 2, only, pixels))
    results = sample(kind, 1, only, pixels)
    if case.others:
        results["mix_results"] = [sample(order[i], i + 2, only, pixels) for i in range(case.others)]
    _seed(seed)
    return transform(results)


def worst_iou(case: Case, kind: str, seed: int, pixels: PixelFormat = COLORS) -> float:
    """Return the lowest IoU of an object's mask with what is seen of it; 1 without objects."""
    results = run(case, kind, seed, None, pixels)
    if results is None:
        return 1.0
    boxes, labels = results["gt_bboxes"], results["gt_bboxes_labels"]
    # mmdet's FixScaleResize rounds the sizes of image and masks differently, by a pixel
    found, size = results["gt_masks"], results["img"].shape[:2]
    fits = max(abs(found.height - size[0]), abs(found.width - size[1])) <= 1
    assert fits or not len(found)  # mmdet's MinIoURandomCrop leaves empty masks at their size
    masks = CropMasks.of(found).move(0, 0, size).to_ndarray().astype(bool)
    assert len(boxes) == len(labels) == len(masks) == len(results["gt_ignore_flags"])
    assert size == tuple(results["img_shape"])
    given = sample("empty", pixels=pixels)["img"]
    assert results["img"].shape[2:] == given.shape[2:]
    if pixels != COLORS:  # mmdet's PhotoMetricDistortion gives float32
        assert results["img"].dtype == given.dtype
    if case.keeps_masks:
        before = sample(kind, 1)
        assert np.array_equal(masks, before["gt_masks"].to_ndarray().astype(bool))
        return 1.0
    white = (0.36 if "MixUp" in case.name else 0.5) * pixels.largest  # MixUp halves the colors
    worst = 1.0
    for label in set(labels.tolist()):
        image = run(case, kind, seed, label, pixels)["img"].reshape(*size, -1)
        assert (image == image[:, :, :1]).all()  # all channels move alike
        seen = image[:, :, 0] > white
        # the cache may hold an image twice
        mask = masks[labels == label].any(axis=0)
        union = np.count_nonzero(seen | mask)
        if union >= LEAST_PIXELS:
            worst = min(worst, np.count_nonzero(seen & mask) / union)
    return worst


def outcome(case: Case, kind: str, seeds: int = 3, pixels: PixelFormat = COLORS) -> str:
    """Return the IoU as text, or why the transform does not run."""
    steps = [
        dict(type="LoadImageFromFile", channels=pixels.channels, dtype=pixels.dtype),
        dict(type="LoadAnnotations", with_mask=True),
        dict(type=case.name, **case.arguments),
    ]
    problems = check_transforms("train", (), steps, "condinst")
    if problems := problems or check_pixels("train", steps, "condinst"):
        return problems[0].removeprefix("train.pipeline: ")
    worst = min(worst_iou(case, kind, seed, pixels) for seed in range(seeds))
    if case.keeps_masks:
        return "unchanged"
    return f"{worst:.2f}" if worst >= LEAST_IOU else f"WRONG {worst:.2f}"


def unlisted() -> set[str]:
    """Return the transforms of mmdet that no table of this file names."""
    import mmdet.datasets.transforms  # noqa: F401

    known = {case.name for case in CASES} | {name for names in OTHER.values() for name in names}
    return set(MMDET_TRANSFORMS.module_dict) - known


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)


def _print_table(columns: dict[str, tuple[str, PixelFormat]], refused: str) -> None:
    print(f"| transform | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
    for case in CASES:
        found = [outcome(case, kind, 3, pixels) for kind, pixels in columns.values()]
        if refused:
            found = [refused if "but LoadImage" in each else each for each in found]
        if len(set(found)) == 1 and not found[0][0].isdigit():  # a sentence, said once
            found = [found[0], *[""] * (len(columns) - 1)]
        cells = "".join(f" {cell} |" if cell else " |" for cell in found)
        print(f"| {case.name} |{cells}", flush=True)


def main() -> None:
    """Print the matrix as two tables of markdown."""
    logging.disable(logging.INFO)  # mmdet's Mosaic tells its size
    _print_table({kind: (kind, COLORS) for kind in KINDS}, "")
    for what, names in OTHER.items():
        print(f"| {', '.join(sorted(names))} | {what} {'| ' * len(KINDS)}|".rstrip())
    print()
    _print_table({name: ("mixed", pixels) for name, pixels in PIXELS.items()}, "refused")


if __name__ == "__main__":
    main()
