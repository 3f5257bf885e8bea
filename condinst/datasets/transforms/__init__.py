"""Transforms that mmdet does not have, or has in a slower or less exact form."""

from condinst.datasets.transforms.cut_tiles import CutTiles
from condinst.datasets.transforms.fast_transforms import PackDetInputs, Resize
from condinst.datasets.transforms.load_annotations import LoadAnnotations
from condinst.datasets.transforms.load_image import LoadImageFromFile
from condinst.datasets.transforms.prepare_box_targets import PrepareBoxTargets
from condinst.datasets.transforms.prepare_mask_targets import PrepareMaskTargets
from condinst.datasets.transforms.random_tile import RandomTile

__all__ = [
    "CutTiles",
    "LoadAnnotations",
    "LoadImageFromFile",
    "PackDetInputs",
    "PrepareBoxTargets",
    "PrepareMaskTargets",
    "RandomTile",
    "Resize",
]
