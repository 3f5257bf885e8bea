"""Load the images of a config's dataset after its augmentations, with their targets."""

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

from condinst.config.nodes import type_name
from condinst.datasets.checks.target_checks import box_supervision_of
from condinst.images.pixel_format import to_display
from condinst.targets.mask_samples import sample_masks

# steps that make targets and inputs; images are drawn as they are before these
_PREPARE = ("PrepareMaskTargets", "PrepareBoxTargets", "PrepareMixedTargets")
_LAST = (*_PREPARE, "PackDetInputs")


@dataclass(frozen=True)
class BrowsedSample:
    """One image of the dataset, augmented once.

    Attributes:
        index: index in the dataset.
        path: the image file.
        image: (H, W, 3) uint8 RGB.
        instances: ``labels``, ``bboxes`` (xyxy in pixels of ``image``) and, if loaded, ``masks``;
            without ignored objects.
        num_ignored: number of ignored objects.
        targets: the targets of the training step, ``SampledMasks`` or ``SimilarColors`` (see
            :mod:`condinst.targets.target_types`); None if not requested.
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
        cfg: the config, whose ``{split}_dataloader.dataset`` is used.
        split: "train" or "val".
        targets: whether to make the targets of the training step.

    Raises:
        ValueError: the dataset does not exist, loads no annotations, or its pipeline makes no
            targets.
    """

    def __init__(self, cfg: Config, split: str, targets: bool = False) -> None:
        loader = cfg.get(f"{split}_dataloader")
        if not loader:
            raise ValueError(f"config {cfg.filename}: expected {split}_dataloader, found none")
        node = copy.deepcopy(loader["dataset"])
        first: list[dict] = []
        last: list[dict] = []
        _cut(node, first, last, test=split != "train")
        self._where = f"config {cfg.filename}: {split}_dataloader.dataset"
        self._scope = cfg.get("default_scope", "mmdet")
        with DefaultScope.overwrite_default_scope(self._scope):
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
                self._dataset = DATASETS.build(node)
            steps = [step for step in last if type_name(step) in _PREPARE]
            self._prepare = TRANSFORMS.build(steps[0]) if targets and steps else None
        self._is_rgb8 = not any(step.get("dtype") == "float32" for step in first)
        self._stride = None
        if targets and not self._prepare:
            mask_head = cfg.get("model", {}).get("mask_head", {})
            if box_supervision_of(cfg.get("model", {})):
                raise ValueError(
                    f"{self._where}.pipeline: expected PrepareBoxTargets or PrepareMixedTargets "
                    "for --targets; without it, colors are compared in the training step"
                )
            bbox_head = cfg.get("model", {}).get("bbox_head", {})  # RTMDet-Ins has it there
            self._stride = mask_head.get("mask_out_stride", bbox_head.get("mask_loss_stride", 4))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class name of each label."""
        return tuple(self._dataset.metainfo["classes"])

    def __len__(self) -> int:
        return len(self._dataset)

    def views(self, num: int, repeat: int = 1, seed: int = 0) -> Iterator[BrowsedSample]:
        """Yield the first ``num`` images, each augmented ``repeat`` times.

        A sample depends only on the seed, the image and the repetition.
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
        kept = np.flatnonzero(ignored == 0)  # (G,) indices of objects that are not ignored
        fields = {
            "labels": results["gt_bboxes_labels"][kept],
            "bboxes": results["gt_bboxes"][torch.from_numpy(kept)],
        }
        if "gt_masks" in results:
            fields["masks"] = results["gt_masks"][kept]
        image = results["img"]
        if image.dtype == np.float32 and self._is_rgb8:  # to_float32, or color augmentation
            image = np.clip(image, 0, 255).astype(np.uint8)
        image = to_display(image[..., ::-1] if image.shape[2:] == (3,) else image)
        return BrowsedSample(
            index=index,
            path=str(results.get("img_path", "")),
            image=np.ascontiguousarray(image),
            instances=InstanceData(**fields),
            num_ignored=len(ignored) - len(kept),
            targets=self._targets(results, kept),
        )

    def _targets(self, results: dict, kept: np.ndarray) -> Any:
        if self._prepare is not None:
            return self._prepare(dict(results))["gt_masks"][kept]
        if self._stride is None:
            return None
        if "gt_masks" not in results:
            raise ValueError(
                f"{self._where}.pipeline: expected LoadAnnotations(with_mask=True) for --targets"
            )
        return sample_masks(results["gt_masks"][kept], self._stride)


def _cut(node: Any, first: list[dict], last: list[dict], test: bool) -> None:
    """Remove the last steps from every pipeline of a dataset config.

    Test pipelines load annotations after the resize, at the original size. Here they are loaded
    before it, so that they fit the drawn image.

    Args:
        node: the dataset config; its pipelines are changed.
        first: receives the first step of each pipeline, which loads the image.
        last: receives the removed steps.
        test: whether the pipelines are test pipelines.
    """
    for child in node.get("datasets", ()):
        _cut(child, first, last, test)
    if "dataset" in node:
        _cut(node["dataset"], first, last, test)
    steps = node.get("pipeline")
    if not steps:
        return
    first += steps[:1]
    last += [step for step in steps if type_name(step) in _LAST]
    kept = [step for step in steps if type_name(step) not in _LAST]
    if test:
        loads = [step for step in kept if type_name(step) == "LoadAnnotations"]
        rest = [step for step in kept if type_name(step) != "LoadAnnotations"]
        kept = [*rest[:1], *loads, *rest[1:]]
    node["pipeline"] = kept


def _seed(*numbers: int) -> None:
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
