"""CondInst: conditional convolutions for instance segmentation (ECCV 2020).

Importing the package first makes the installed mmcv, mmengine and mmdet work together
(:mod:`condinst.compat`), then registers every module of ours under the scope ``condinst``.
"""

from condinst.compat import apply as _apply_compat

_apply_compat()

from condinst import datasets, engine, evaluation, models  # noqa: E402
from condinst.version import __version__  # noqa: E402

__all__ = ["__version__", "datasets", "engine", "evaluation", "models"]
