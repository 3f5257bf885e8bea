"""The images of a config's dataset after its augmentations, before they become targets."""

from __future__ import annotations

import contextlib
import copy
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS, DefaultScope
from mmengine.structures import InstanceData

from condinst.images.pixel_format import to_display
from condinst.targets.mask_samples import sample_masks

# what turns an image into the model's input; everything before is seen
_PREPARE = ("PrepareMaskTargets", "PrepareBoxTargets")
_LAST = (*_PREPARE, "PackDetInputs")


@dataclass(frozen=True)
class BrowsedSample:
    """One image of the dataset, augmented once.

    Attributes:
        index: in the dataset.
        path: of the image's file.
        image: (H, W, 3) uint8 RGB.
        instances: ``labels``, ``bboxes`` and, where they are loaded, ``masks``; ignored objects
            are left out.
        num_ignored: how many these are.
        targets: what the training step reads, ``SampledMasks`` or ``SimilarColors`` (see
            :mod:`condinst.targets.target_types`); None if not asked for.
    """

    index: int
    path: str
    image: np.ndarray
    instances: InstanceData
    num_ignored: int
    targets: Any = None


class Browser:
    """The dataset of one split, with its augmentations.

    Args:
        cfg: its ``{split}_dataloader.dataset`` is read.
        split: "train" or "val".
        targets: whether views carry what the training step reads.

    Raises:
        ValueError: there is no such dataset, it loads no annotations, or its pipeline makes no
            targets to show.
    """

    def __init__(self, cfg: Config, split: str, targets: bool = False) -> None:
        loader = cfg.get(f"{split}_dataloader")
        if not loader:
            raise ValueError(f"config {cfg.filename}: has no {split}_dataloader")
        node = copy.deepcopy(loader["dataset"])
        first: list[dict] = []
        last: list[dict] = []
        _cut(node, first, last, test=split != "train")
        self._where = f"config {cfg.filename}: {split}_dataloader.dataset"
        self._scope = cfg.get("default_scope", "mmdet")
        with DefaultScope.overwrite_default_scope(self._scope):
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells what it is doing
                self._dataset = DATASETS.build(node)
            steps = [step for step in last if _name(step) in _PREPARE]
            self._prepare = TRANSFORMS.build(steps[0]) if targets and steps else None
        self._is_rgb8 = not any(step.get("dtype") == "float32" for step in first)
        self._stride = None
        if targets and not self._prepare:
            mask_head = cfg.get("model", {}).get("mask_head", {})
            if "BoxInst" in str(mask_head.get("type")):
                raise ValueError(
                    f"{self._where}.pipeline: expected PrepareBoxTargets for --targets; without "
                    "it, colors are compared in the training step"
                )
            self._stride = mask_head.get("mask_out_stride", 4)

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of every label."""
        return tuple(self._dataset.metainfo["classes"])

    def __len__(self) -> int:
        return len(self._dataset)

    def views(self, num: int, repeat: int = 1, seed: int = 0) -> Iterator[BrowsedSample]:
        """The first ``num`` images, each augmented ``repeat`` times.

        A view depends on the seed, the image and the repetition, not on the views before it.
        """
        for index in range(min(num, len(self))):
            for again in range(repeat):
                _seed(seed, index, again)
                with DefaultScope.overwrite_default_scope(self._scope):
                    yield self._view(index, self._dataset[index])

    def _view(self, index: int, results: dict) -> BrowsedSample:
        if "gt_bboxes" not in results:
            raise ValueError(f"{self._where}.pipeline: expected LoadAnnotations, found none")
        ignored = np.asarray(results.get("gt_ignore_flags", np.zeros(len(results["gt_bboxes"]))))
        shown = np.flatnonzero(ignored == 0)
        fields = {
            "labels": results["gt_bboxes_labels"][shown],
            "bboxes": results["gt_bboxes"][torch.from_numpy(shown)],
        }
        if "gt_masks" in results:
            fields["masks"] = results["gt_masks"][shown]
        image = results["img"]
        if image.dtype == np.float32 and self._is_rgb8:  # to_float32, or changed colors
            image = np.clip(image, 0, 255).astype(np.uint8)
        image = to_display(image[..., ::-1] if image.shape[2:] == (3,) else image)
        return BrowsedSample(
            index=index,
            path=str(results.get("img_path", "")),
            image=np.ascontiguousarray(image),
            instances=InstanceData(**fields),
            num_ignored=len(ignored) - len(shown),
            targets=self._targets(results, shown),
        )

    def _targets(self, results: dict, shown: np.ndarray) -> Any:
        if self._prepare is not None:
            return self._prepare(dict(results))["gt_masks"][shown]
        if self._stride is None:
            return None
        if "gt_masks" not in results:
            raise ValueError(
                f"{self._where}.pipeline: expected LoadAnnotations(with_mask=True) for --targets"
            )
        return sample_masks(results["gt_masks"][shown], self._stride)


def _cut(node: Any, first: list[dict], last: list[dict], test: bool) -> None:
    """Take the last steps out of every pipeline of a dataset's config, and collect them.

    The first steps, which load the image, are collected too.

    Test pipelines load annotations at the image's own size, after the resize; here they are
    loaded before it, so that they fit what is seen.
    """
    for child in node.get("datasets", ()):
        _cut(child, first, last, test)
    if "dataset" in node:
        _cut(node["dataset"], first, last, test)
    steps = node.get("pipeline")
    if not steps:
        return
    first += steps[:1]
    last += [step for step in steps if _name(step) in _LAST]
    kept = [step for step in steps if _name(step) not in _LAST]
    if test:
        loads = [step for step in kept if _name(step) == "LoadAnnotations"]
        rest = [step for step in kept if _name(step) != "LoadAnnotations"]
        kept = [*rest[:1], *loads, *rest[1:]]
    node["pipeline"] = kept


def _name(step: dict) -> str:
    return str(step["type"]).split(".")[-1]


def _seed(*numbers: int) -> None:
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
