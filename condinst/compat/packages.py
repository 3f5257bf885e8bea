"""Let mmengine and mmcv find installed packages with the standard library.

Upstream bugs: that of ``package_utils.py``, here for an mmengine that was imported before condinst.
And the search for ``mmcv._ext`` (mmengine 0.10.7, mmcv 2.1.0) calls ``pkgutil.find_loader``, which
Python 3.14 removed. Delete when both use ``importlib.util.find_spec``.
"""

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

from condinst.compat import package_utils


def apply(upstream: str) -> None:
    """Replace the functions wherever mmengine has imported them."""
    import mmengine.utils
    from mmengine.config import config
    from mmengine.hub import hub
    from mmengine.utils import package_utils as mmengine_package_utils

    for user in (mmengine_package_utils, mmengine.utils, config, hub):
        for name in ("is_installed", "get_installed_path", "install_package"):
            if hasattr(user, name):
                setattr(user, name, getattr(package_utils, name))


def fix_search(upstream: str) -> None:
    """Replace ``pkgutil.find_loader`` in one module."""
    searcher: Any = sys.modules[upstream]
    searcher.pkgutil = SimpleNamespace(find_loader=importlib.util.find_spec)
