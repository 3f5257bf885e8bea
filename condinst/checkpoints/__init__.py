"""Convert weights of other programs and versions to ours, and ours to the original's.

``layouts`` recognizes the names in a state dict; ``original``, ``resnet`` and ``mmdet2`` translate
them; ``weight_files`` reads and writes; ``model_check`` compares weights with a config's model.
"""

from typing import TYPE_CHECKING

from condinst.checkpoints.layout_names import LAYOUTS
from condinst.utils.lazy import lazy_names

if TYPE_CHECKING:
    from condinst.checkpoints.conversion import Conversion, convert_file
    from condinst.checkpoints.layouts import detect_layout, to_condinst, to_original

__all__ = [
    "LAYOUTS",
    "Conversion",
    "convert_file",
    "detect_layout",
    "to_condinst",
    "to_original",
]

# the others import PyTorch, which takes seconds
__getattr__ = lazy_names(
    __name__,
    {
        "Conversion": "conversion",
        "convert_file": "conversion",
        "detect_layout": "layouts",
        "to_condinst": "layouts",
        "to_original": "layouts",
    },
)
