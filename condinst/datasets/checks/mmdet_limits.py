"""Check files for which a config uses mmdet's reader or loader, which accept less than ours."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from mmdet.registry import DATASETS as MMDET_DATASETS
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS
from mmengine.registry import Registry

from condinst.config.nodes import type_name
from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.entry_issues import first_few
from condinst.datasets.coco_dataset import CocoDataset
from condinst.datasets.transforms.load_annotations import LoadAnnotations
from condinst.masks.polygon_rle import is_quick_to_draw
from condinst.registry import DATASETS, TRANSFORMS

if TYPE_CHECKING:
    from condinst.datasets.checks.split_file import SplitFile

__all__ = ["check_for_mmdet"]


def check_for_mmdet(split: SplitFile, dataset: dict, cfg: Any) -> list[str]:
    """Check that mmdet's dataset and loader can use the file, if the config names them.

    Args:
        split: the file as the dataset uses it.
        dataset: the config of the dataset.
        cfg: the whole config; its ``default_scope`` decides which library a bare name is from.

    Returns:
        One line for each problem.
    """
    file, problems = split.file, []
    if not _is_ours(dataset.get("type"), cfg, DATASETS, MMDET_DATASETS, CocoDataset):
        fixed = [issue for issue in file.issues if issue.fixed]
        if fixed:
            problems.append(
                "mmdet's CocoDataset, which this config names, reads the file without fixing "
                'it; set type="condinst.CocoDataset", or fix: '
                f"{'; '.join(file.fixes[:3])}"
            )
    loads_masks = [
        step.get("type")
        for step in dataset.get("pipeline", [])
        if type_name(step) == "LoadAnnotations" and step.get("with_mask")
    ]
    if not all(
        _is_ours(kind, cfg, TRANSFORMS, MMDET_TRANSFORMS, LoadAnnotations) for kind in loads_masks
    ):
        problems += _check_masks(split)
    return problems


def _check_masks(split: SplitFile) -> list[str]:
    file, used = split.file, split.of_a_class.copy()
    for skipped in split.skipped.values():
        used &= ~skipped
    ids, problems = file.ann_ids, []
    text = 'which mmdet\'s LoadAnnotations stops at; set type="condinst.LoadAnnotations"'
    without = np.flatnonzero(used & (file.segmentations == Segmentation.NONE))
    if without.size:
        named = first_few(ids[i] for i in without)
        problems.append(f"{without.size} annotations without a segmentation, {text}: ids {named}")
    heavy = [i for i in np.flatnonzero(used).tolist() if _is_heavy(file.polygons(i))]
    if heavy:
        named = first_few(ids[i] for i in heavy)
        problems.append(f"{len(heavy)} annotations with polygons too long to draw, {text}: {named}")
    return problems


def _is_heavy(polygons: list[np.ndarray]) -> bool:
    shaped = [p for p in polygons if len(p) >= 6 and not len(p) % 2]
    return bool(shaped) and not is_quick_to_draw(shaped)


def _is_ours(kind: Any, cfg: Any, ours: Registry, theirs: Registry, base: type) -> bool:
    """Tell whether a config's type is ``base`` or a subclass of it."""
    scope = cfg.get("default_scope")
    registry = ours if scope in (None, "condinst") else theirs
    cls = registry.get(kind) if isinstance(kind, str) else kind
    return inspect.isclass(cls) and issubclass(cls, base)
