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
import importlib
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
        ImportError: when one of the three is not installed, or a compiled mmcv does not fit the
            installed PyTorch; the message says what to install.
    """
    _require_packages()
    finder.install()

    from condinst.compat import checkpoint, distributed, noise, packages, workers

    for fix in (packages, checkpoint, distributed, workers, noise):
        fix.apply()
    _require_operators()


def _require_packages() -> None:
    for name, remedy in _NEEDED.items():
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"condinst needs {name}: {remedy}")


def _require_operators() -> None:
    """Import the operators now, so that a compiled mmcv that cannot work says so by name."""
    try:
        importlib.import_module("mmcv._ext")
    except ImportError as error:
        raise ImportError(
            f"the compiled mmcv does not fit this PyTorch ({error}): build it anew, or replace it: "
            "pip uninstall mmcv && pip install mmcv-lite==2.1.0"
        ) from error
