"""Datasets and transforms that mmdet lacks, and checks of the data.

A name is imported when it is used: reading COCO files needs neither PyTorch nor mmdet. A registry
imports :mod:`condinst.datasets.registered`, which imports them all.
"""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "ClassBalancedDataset": "class_balance",
    "CocoDataset": "coco_dataset",
    "CutTiles": "transforms.cut_tiles",
    "LoadAnnotations": "transforms.load_annotations",
    "LoadImageFromFile": "transforms.load_image",
    "PackDetInputs": "transforms.fast_transforms",
    "PrepareBoxTargets": "transforms.prepare_box_targets",
    "PrepareMaskTargets": "transforms.prepare_mask_targets",
    "RandomTile": "transforms.random_tile",
    "Resize": "transforms.fast_transforms",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
