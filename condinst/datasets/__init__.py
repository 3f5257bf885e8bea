"""Datasets and transforms that mmdet lacks, and checks of the data."""

import condinst.compat.needed  # noqa: F401
from condinst.datasets.class_balance import ClassBalancedDataset
from condinst.datasets.coco_dataset import CocoDataset
from condinst.datasets.transforms.cut_tiles import CutTiles
from condinst.datasets.transforms.fast_transforms import PackDetInputs, Resize
from condinst.datasets.transforms.load_annotations import LoadAnnotations
from condinst.datasets.transforms.load_image import LoadImageFromFile
from condinst.datasets.transforms.prepare_box_targets import PrepareBoxTargets
from condinst.datasets.transforms.prepare_mask_targets import PrepareMaskTargets
from condinst.datasets.transforms.random_tile import RandomTile

__all__ = [
    "ClassBalancedDataset",
    "CocoDataset",
    "CutTiles",
    "LoadAnnotations",
    "LoadImageFromFile",
    "PackDetInputs",
    "PrepareBoxTargets",
    "PrepareMaskTargets",
    "RandomTile",
    "Resize",
]
