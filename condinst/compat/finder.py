"""Give Python our file where a module of mmcv or mmengine is missing or cannot work.

Upstream bugs: ``mmcv.ops``, and with it all of mmdet, cannot be imported without the compiled
``mmcv._ext``, and the mmcv that installs from a wheel on a current PyTorch (mmcv-lite) has none;
for mmengine see ``package_utils.py``. Delete this file and ``condinst.pth`` together with the
stand-ins, when mmdet imports and reads its configs without them.

This file imports neither its own package nor anything that is slow to import: ``condinst.pth`` runs
it by path in every Python process of the environment.
"""

import importlib.util
import os.path
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

FOLDER = os.path.dirname(os.path.abspath(__file__))


class StandInFinder:
    """Find our file for one module, as an entry of ``sys.meta_path``.

    Args:
        module: full name of the module.
        file: our file, relative to this folder; a package by its ``__init__.py``.
        bug: find it only if the source of the installed module holds these bytes.
    """

    def __init__(self, module: str, file: str, bug: bytes | None = None) -> None:
        self.module = module
        self.file = os.path.join(FOLDER, *file.split("/"))
        self.bug = bug

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.module or not self._is_needed(path):
            return None
        return importlib.util.spec_from_file_location(fullname, self.file)

    def _is_needed(self, path: Sequence[str] | None) -> bool:
        if self.bug is None:
            return True
        installed = PathFinder.find_spec(self.module, path)
        if installed is None or installed.origin is None:
            return False
        with open(installed.origin, "rb") as file:
            return self.bug in file.read()


def install() -> None:
    """Put the finders into ``sys.meta_path``, in place of earlier copies of them."""
    others = [f for f in sys.meta_path if type(f).__name__ != StandInFinder.__name__]
    first = []
    if importlib.util.find_spec("pkg_resources") is None:
        first = [
            StandInFinder("mmengine.utils.package_utils", "package_utils.py", b"pkg_resources")
        ]
    last = [
        StandInFinder("mmcv._ext", "mmcv_ext/__init__.py")
    ]  # so that a compiled one always wins
    sys.meta_path[:] = [*first, *others, *last]
