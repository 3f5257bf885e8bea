"""Weights of other programs and versions to ours, and ours to the original's.

``layouts`` recognizes whose names a state dict has, ``original``, ``resnet`` and ``mmdet2``
translate them, ``files`` reads and writes, ``model_check`` compares with a config's model.
"""

from condinst.checkpoints.conversion import Conversion, convert_file
from condinst.checkpoints.layouts import LAYOUTS, detect_layout, to_condinst, to_original

__all__ = [
    "LAYOUTS",
    "Conversion",
    "convert_file",
    "detect_layout",
    "to_condinst",
    "to_original",
]
