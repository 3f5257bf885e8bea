"""Let mmdet's tools draw masks of other classes than its own two.

mmdet 3.3.0's ``mask2ndarray`` refuses every class but ``BitmapMasks`` and ``PolygonMasks``, so that
``browse_dataset.py`` ends at the first image with sampled masks. Delete when it asks for
``to_ndarray``.
"""

import functools
import sys
from typing import Any

import numpy as np


def apply(upstream: str) -> None:
    """Let ``mask2ndarray`` take whatever has ``to_ndarray``."""
    module: Any = sys.modules[upstream]
    original = module.mask2ndarray

    @functools.wraps(original)
    def mask2ndarray(mask: Any) -> np.ndarray:
        return mask.to_ndarray() if hasattr(mask, "to_ndarray") else original(mask)

    module.mask2ndarray = mask2ndarray
