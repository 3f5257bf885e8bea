"""Datasets and transforms that mmdet lacks, and checks of the data.

A name is imported when it is used: reading COCO files needs neither PyTorch nor mmdet. A registry
imports :mod:`condinst.datasets.registered`, which imports them all.
"""

from typing import TYPE_CHECKING, Any

from condinst.compat import require_packages
from condinst.utils.lazy import lazy_names

_MODULES = {
    "Albu": "transforms.albu",
    "CachedMixUp": "transforms.mixup",
    "CachedMosaic": "transforms.mosaic",
    "ClassBalancedDataset": "class_balance",
    "CocoDataset": "coco_dataset",
    "CopyPaste": "transforms.copy_paste",
    "CutTiles": "transforms.cut_tiles",
    "FitBoxesToMasks": "transforms.fit_boxes",
    "KeepTeacherImage": "transforms.keep_teacher_image",
    "LoadAnnotations": "transforms.load_annotations",
    "LoadImageFromFile": "transforms.load_image",
    "MixUp": "transforms.mixup",
    "Mosaic": "transforms.mosaic",
    "PackDetInputs": "transforms.fast_transforms",
    "PrepareBoxTargets": "transforms.prepare_box_targets",
    "PrepareMaskTargets": "transforms.prepare_mask_targets",
    "PrepareMixedTargets": "transforms.prepare_mixed_targets",
    "RandomAffine": "transforms.erase_and_warp",
    "RandomBlur": "transforms.keep_teacher_image",
    "RandomErasing": "transforms.erase_and_warp",
    "RandomTile": "transforms.random_tile",
    "Resize": "transforms.fast_transforms",
    "UntilIteration": "transforms.until_iteration",
    "YOLOXHSVRandomAug": "transforms.fast_transforms",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.datasets.class_balance import ClassBalancedDataset as ClassBalancedDataset
    from condinst.datasets.coco_dataset import CocoDataset as CocoDataset
    from condinst.datasets.transforms.albu import Albu as Albu
    from condinst.datasets.transforms.copy_paste import CopyPaste as CopyPaste
    from condinst.datasets.transforms.cut_tiles import CutTiles as CutTiles
    from condinst.datasets.transforms.erase_and_warp import RandomAffine as RandomAffine
    from condinst.datasets.transforms.erase_and_warp import RandomErasing as RandomErasing
    from condinst.datasets.transforms.fast_transforms import PackDetInputs as PackDetInputs
    from condinst.datasets.transforms.fast_transforms import Resize as Resize
    from condinst.datasets.transforms.fast_transforms import YOLOXHSVRandomAug as YOLOXHSVRandomAug
    from condinst.datasets.transforms.fit_boxes import FitBoxesToMasks as FitBoxesToMasks
    from condinst.datasets.transforms.keep_teacher_image import KeepTeacherImage as KeepTeacherImage
    from condinst.datasets.transforms.keep_teacher_image import RandomBlur as RandomBlur
    from condinst.datasets.transforms.load_annotations import LoadAnnotations as LoadAnnotations
    from condinst.datasets.transforms.load_image import LoadImageFromFile as LoadImageFromFile
    from condinst.datasets.transforms.mixup import CachedMixUp as CachedMixUp
    from condinst.datasets.transforms.mixup import MixUp as MixUp
    from condinst.datasets.transforms.mosaic import CachedMosaic as CachedMosaic
    from condinst.datasets.transforms.mosaic import Mosaic as Mosaic
    from condinst.datasets.transforms.prepare_box_targets import (
        PrepareBoxTargets as PrepareBoxTargets,
    )
    from condinst.datasets.transforms.prepare_mask_targets import (
        PrepareMaskTargets as PrepareMaskTargets,
    )
    from condinst.datasets.transforms.prepare_mixed_targets import (
        PrepareMixedTargets as PrepareMixedTargets,
    )
    from condinst.datasets.transforms.random_tile import RandomTile as RandomTile
    from condinst.datasets.transforms.until_iteration import UntilIteration as UntilIteration
else:
    _import = lazy_names(__name__, _MODULES)

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            require_packages()  # the error says what to install
        return _import(name)
