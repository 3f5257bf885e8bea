"""Convert weights of other programs and versions to ours, and ours to the original's.

``layouts`` recognizes the names in a state dict; ``original``, ``resnet`` and ``mmdet2`` translate
them; ``weight_files`` reads and writes; ``model_check`` compares weights with a config's model.
"""

import condinst.compat.needed  # noqa: F401
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
