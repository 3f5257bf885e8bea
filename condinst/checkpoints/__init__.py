"""Convert weights of other programs and versions to ours, and ours to the original's.

``layouts`` recognizes the names in a state dict; ``original``, ``resnet`` and ``mmdet2`` translate
them; ``weight_files`` reads and writes; ``model_check`` compares weights with a config's model.
"""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

# only the first imports no PyTorch, which takes seconds
_MODULES = {
    "LAYOUTS": "layout_names",
    "Conversion": "conversion",
    "convert_file": "conversion",
    "detect_layout": "layouts",
    "to_condinst": "layouts",
    "to_original": "layouts",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.checkpoints.conversion import Conversion as Conversion
    from condinst.checkpoints.conversion import convert_file as convert_file
    from condinst.checkpoints.layout_names import LAYOUTS as LAYOUTS
    from condinst.checkpoints.layouts import detect_layout as detect_layout
    from condinst.checkpoints.layouts import to_condinst as to_condinst
    from condinst.checkpoints.layouts import to_original as to_original
else:
    __getattr__ = lazy_names(__name__, _MODULES)
