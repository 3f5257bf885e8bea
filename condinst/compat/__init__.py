"""The only room that knows the age of mmcv, mmengine or mmdet.

=====================  ============================================================================
``finder``             offers the stand-ins below where mmcv or mmengine lack a module
``mmcv_ext``           stand-in for ``mmcv._ext``: the compiled operators, on torch and torchvision
``package_utils``      stand-in for ``mmengine.utils.package_utils``, which needs ``pkg_resources``
``packages``           the same for an mmengine imported before us; no ``pkgutil.find_loader``
``checkpoint``         checkpoints load by an allow-list, and are written whole
``restricted_pickle``  the allow-list for torch before 2.6
``distributed``        the launchers start without CUDA
``workers``            data-loader workers that are spawned get the fixes too
``noise``              silences deprecations that upstream owes to itself
=====================  ============================================================================

Each file names the upstream fault that it mends and says when it can be deleted. ``condinst.pth``
in site-packages runs ``finder`` when Python starts, for programs that import mmdet before condinst.
"""

import functools
import importlib.util

from condinst.compat import finder

_NEEDED = {
    "mmengine": "pip install mmengine==0.10.7",
    "mmcv": "pip install mmcv-lite==2.1.0 (or a compiled mmcv that fits your PyTorch)",
    "mmdet": "pip install mmdet==3.3.0",
}


@functools.cache
def apply() -> None:
    """Make the installed mmcv, mmengine and mmdet work together; a second call changes nothing.

    Raises:
        ImportError: when one of the three is not installed; the message says what to install.
    """
    for name, remedy in _NEEDED.items():
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"condinst needs {name}: {remedy}")
    finder.install()

    from condinst.compat import checkpoint, distributed, noise, packages, workers

    for fix in (packages, checkpoint, distributed, workers, noise):
        fix.apply()
