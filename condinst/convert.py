"""The public names of :mod:`condinst.checkpoints`, which was ``condinst.convert`` before 0.1.0."""

from condinst.checkpoints import (
    LAYOUTS,
    Conversion,
    convert_file,
    detect_layout,
    to_condinst,
    to_original,
)

__all__ = [
    "LAYOUTS",
    "Conversion",
    "convert_file",
    "detect_layout",
    "to_condinst",
    "to_original",
]
