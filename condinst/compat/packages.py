"""mmengine finds installed packages with the standard library.

Upstream faults (mmengine 0.10.7, mmcv 2.1.0):

- ``is_installed`` and ``get_installed_path`` import ``pkg_resources``, which setuptools 82 removed:
  ``_base_ = "mmdet::..."`` and ``mmengine.hub.get_config`` end in ModuleNotFoundError.
- The search for ``mmcv._ext`` calls ``pkgutil.find_loader``, which Python 3.14 removed.

Delete when mmengine uses ``importlib.metadata`` and both use ``importlib.util.find_spec``.
"""

import importlib.util
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace

import mmcv.utils.ext_loader
import mmengine.config.config
import mmengine.hub.hub
import mmengine.utils.dl_utils.misc
import mmengine.utils.package_utils

_USERS: dict[str, list[ModuleType]] = {
    "is_installed": [
        mmengine.utils.package_utils,
        mmengine.utils,
        mmengine.config.config,
    ],
    "get_installed_path": [
        mmengine.utils.package_utils,
        mmengine.utils,
        mmengine.config.config,
        mmengine.hub.hub,
    ],
}


def apply() -> None:
    """Replace the two functions wherever mmengine has imported them, and ``find_loader``."""
    for name, modules in _USERS.items():
        for module in modules:
            setattr(module, name, globals()[name])
    for module in (mmengine.utils.dl_utils.misc, mmcv.utils.ext_loader):
        module.pkgutil = SimpleNamespace(find_loader=importlib.util.find_spec)


def is_installed(package: str) -> bool:
    """Whether a distribution or a module (not a namespace) of that name is there."""
    try:
        get_installed_path(package)
    except (metadata.PackageNotFoundError, RuntimeError):
        return False
    return True


def get_installed_path(package: str) -> str:
    """The folder of a package, given the name of its distribution or of its module.

    Raises:
        PackageNotFoundError: when neither is installed.
        RuntimeError: when the module is a namespace, which has no folder of its own.
    """
    module = package
    spec = importlib.util.find_spec(module)
    if spec is None:
        top_level = metadata.distribution(package).read_text("top_level.txt") or ""
        module = (top_level.split() or [package])[0]
        spec = importlib.util.find_spec(module)
    if spec is None:
        raise metadata.PackageNotFoundError(package)
    if spec.origin is None:
        raise RuntimeError(f"{module} is a namespace package: it has no folder of its own")
    return str(Path(spec.origin).parent)
