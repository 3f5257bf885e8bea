"""Transforms that mmdet does not have, or has in a slower or less exact form."""

from condinst.datasets.transforms.albu import Albu
from condinst.datasets.transforms.copy_paste import CopyPaste
from condinst.datasets.transforms.cut_tiles import CutTiles
from condinst.datasets.transforms.erase_and_warp import RandomAffine, RandomErasing
from condinst.datasets.transforms.fast_transforms import (
    PackDetInputs,
    Resize,
    YOLOXHSVRandomAug,
)
from condinst.datasets.transforms.fit_boxes import FitBoxesToMasks
from condinst.datasets.transforms.keep_teacher_image import KeepTeacherImage, RandomBlur
from condinst.datasets.transforms.load_annotations import LoadAnnotations
from condinst.datasets.transforms.load_image import LoadImageFromFile
from condinst.datasets.transforms.mixup import CachedMixUp, MixUp
from condinst.datasets.transforms.mosaic import CachedMosaic, Mosaic
from condinst.datasets.transforms.prepare_box_targets import PrepareBoxTargets
from condinst.datasets.transforms.prepare_mask_targets import PrepareMaskTargets
from condinst.datasets.transforms.prepare_mixed_targets import PrepareMixedTargets
from condinst.datasets.transforms.random_tile import RandomTile
from condinst.datasets.transforms.until_iteration import UntilIteration

__all__ = [
    "Albu",
    "CachedMixUp",
    "CachedMosaic",
    "CopyPaste",
    "CutTiles",
    "FitBoxesToMasks",
    "KeepTeacherImage",
    "LoadAnnotations",
    "LoadImageFromFile",
    "MixUp",
    "Mosaic",
    "PackDetInputs",
    "PrepareBoxTargets",
    "PrepareMaskTargets",
    "PrepareMixedTargets",
    "RandomAffine",
    "RandomBlur",
    "RandomErasing",
    "RandomTile",
    "Resize",
    "UntilIteration",
    "YOLOXHSVRandomAug",
]
