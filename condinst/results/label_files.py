"""Write label maps: one number for each pixel, as programs for cells and nuclei read them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from condinst.utils.files import write_whole

if TYPE_CHECKING:
    from condinst.results.results import Results

__all__ = ["LABEL_ENDINGS", "save_label_map"]

LABEL_ENDINGS = (".png", ".tif")


def save_label_map(results: Results, path: Path, tiff: bool) -> Path:
    """Write ``results.to_label_map()`` and return the file's path.

    Args:
        results: the instances of an image.
        path: of the file, without ending.
        tiff: whether to write a TIFF of 32 bits; else a PNG of 16 bits up to 65,535 instances.

    Raises:
        OSError: the file cannot be written.
    """
    labels = results.to_label_map()
    buffer = io.BytesIO()
    if tiff or labels.dtype == np.uint32:
        # pillow has no unsigned type of 32 bits; a file of 2**31 instances does not exist
        Image.fromarray(labels.astype(np.int32)).save(buffer, "TIFF", compression="tiff_lzw")
        path = path.with_name(f"{path.name}.tif")
    else:
        Image.fromarray(labels).save(buffer, "PNG")
        path = path.with_name(f"{path.name}.png")
    write_whole(path, buffer.getvalue())
    return path
