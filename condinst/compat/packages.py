"""mmengine and mmcv find installed packages with the standard library.

Upstream faults: see ``package_utils.py``; here for an mmengine that was imported before us. And
the search for ``mmcv._ext`` (mmengine 0.10.7, mmcv 2.1.0) calls ``pkgutil.find_loader``, which
Python 3.14 removed. Delete when both use ``importlib.util.find_spec``.
"""

import importlib.util
from types import SimpleNamespace

import mmcv.utils.ext_loader
import mmengine.config.config
import mmengine.hub.hub
import mmengine.utils.dl_utils.misc
import mmengine.utils.package_utils

from condinst.compat import package_utils


def apply() -> None:
    """Replace the functions wherever mmengine has imported them, and ``find_loader``."""
    for user in (
        mmengine.utils.package_utils,
        mmengine.utils,
        mmengine.config.config,
        mmengine.hub.hub,
    ):
        for name in ("is_installed", "get_installed_path", "install_package"):
            if hasattr(user, name):
                setattr(user, name, getattr(package_utils, name))
    for searcher in (mmengine.utils.dl_utils.misc, mmcv.utils.ext_loader):
        searcher.pkgutil = SimpleNamespace(find_loader=importlib.util.find_spec)
