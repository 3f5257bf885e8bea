"""Let LVIS's evaluation run with numpy 1.24 and later.

Upstream bug (lvis 0.5.3, on which mmdet's ``LVISMetric`` depends): ``np.float``, which numpy has
removed. Delete when lvis writes ``float``.
"""

import sys
from types import ModuleType
from typing import Any

import numpy as np


class _Numpy(ModuleType):
    """numpy, with the name that ``lvis.eval`` uses."""

    float = float

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def apply(upstream: str) -> None:
    """Give ``lvis.eval`` the name ``np.float``, and leave numpy as it is."""
    sys.modules[upstream].np = _Numpy("numpy")  # type: ignore[attr-defined]
