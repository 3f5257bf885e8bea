"""Answer mmengine's questions about installed packages with the standard library.

Upstream bug (mmengine 0.10.7): ``mmengine.utils.package_utils`` imports ``pkg_resources``, which
setuptools 82 removed, so that ``_base_ = "mmdet::..."`` and ``mmengine.hub`` end in
ModuleNotFoundError. Delete when mmengine uses ``importlib.metadata``.

Where ``pkg_resources`` is missing, ``finder.py`` gives mmengine this file in place of its own; the
names and meanings are mmengine's. Like the finder, it imports nothing of ours.
"""

import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path


def is_installed(package: str) -> bool:
    """Tell whether a distribution, or a module that is no namespace, of that name is installed."""
    try:
        get_installed_path(package)
    except (metadata.PackageNotFoundError, RuntimeError):
        return False
    return True


def get_installed_path(package: str) -> str:
    """Return the folder of a package, given the name of its distribution or of its module.

    Raises:
        PackageNotFoundError: neither is installed.
        RuntimeError: the module is a namespace, which has no folder of its own.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        spec = importlib.util.find_spec(package2module(package))
    if spec is None:
        raise metadata.PackageNotFoundError(package)
    if spec.origin is None:
        raise RuntimeError(f"{package} is a namespace package: it has no folder of its own")
    return str(Path(spec.origin).parent)


def package2module(package: str) -> str:
    """Return the first module of an installed distribution."""
    names = (metadata.distribution(package).read_text("top_level.txt") or "").split()
    if not names:
        raise ValueError(f"cannot tell the module's name of {package}: it has no top_level.txt")
    return names[0]


def install_package(package: str) -> None:
    """Install a package with pip, unless it is installed."""
    if not is_installed(package):
        call_command([sys.executable, "-m", "pip", "install", package])


def call_command(cmd: list[str]) -> None:
    """Run a command; raises CalledProcessError when it fails."""
    subprocess.check_call(cmd)
