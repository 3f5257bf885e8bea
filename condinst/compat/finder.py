"""Offers the stand-in for the compiled ``mmcv._ext`` when the installed mmcv has none.

Upstream fault: ``mmcv.ops``, and with it all of mmdet, cannot be imported without the compiled
operators, and the package that installs from a wheel on a current PyTorch (mmcv-lite) has none.
Delete this file, ``mmcv_ext.py`` and the startup file when mmdet imports without ``mmcv._ext``.

This file never imports the package it belongs to, nor anything that is slow to import: the startup
file ``condinst.pth`` runs it by path in every Python process of the environment.
"""

import importlib.util
import os.path
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

STAND_IN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mmcv_ext.py")


class MmcvExtFinder:
    """Answers ``mmcv._ext`` after every other finder has passed: a compiled one always wins."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "mmcv._ext":
            return None
        return importlib.util.spec_from_file_location(fullname, STAND_IN)


def install() -> None:
    """Put the finder at the end of ``sys.meta_path``, in place of an earlier copy of it."""
    others = [finder for finder in sys.meta_path if _name(finder) != MmcvExtFinder.__name__]
    sys.meta_path[:] = [*others, MmcvExtFinder]


def _name(finder: object) -> str:
    return getattr(finder, "__name__", type(finder).__name__)
