"""Importing condinst is light, and its fixes are there when mmengine, mmcv or mmdet are used."""

import subprocess
import sys

import pytest

LIGHT = """
import sys
import condinst
import condinst.compat
heavy = {"torch", "torchvision", "numpy", "mmengine", "mmcv", "mmdet", "cv2"} & sys.modules.keys()
assert not heavy, heavy
"""

# The first import after ours decides what is half imported when the fixes are applied.
FIRST = ["mmengine.model", "mmengine.runner", "mmcv", "mmdet.apis", "mmdet.registry", "torch"]

FIXED = """
import condinst
import {first}
from mmengine.runner import checkpoint
assert checkpoint.load_url.__module__ == "condinst.compat.checkpoint"
from mmdet.registry import MODELS
assert MODELS.get("condinst.CondInst").__module__ == "condinst.models.condinst"
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_imports_nothing_heavy():
    done = run(LIGHT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("first", FIRST)
def test_fixes_and_modules_are_there_whatever_is_imported_first(first):
    done = run(FIXED.format(first=first))
    assert done.returncode == 0, done.stderr


def test_packages_are_attributes():
    done = run("import condinst; print(condinst.models.CondInst.__name__)")
    assert done.stdout.split() == ["CondInst"], done.stderr
    missing = run("import condinst; condinst.nothing")
    assert "module 'condinst' has no attribute 'nothing'" in missing.stderr
