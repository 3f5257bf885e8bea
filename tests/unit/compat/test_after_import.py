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
FIRST = [
    "mmengine.model",
    "mmengine.runner",
    "mmcv",
    "mmdet.apis",
    "mmdet.registry",
    "torch",
    "condinst.compat.checkpoint",
]

# Each in a child of one process that has imported PyTorch only.
EVERY = """
import os, traceback
import torch, torchvision, cv2
import condinst
folder = condinst.__path__[0]
names = []
for place, _, files in os.walk(folder):
    for file in files:
        path = os.path.relpath(os.path.join(place, file), os.path.dirname(folder))
        if path.endswith(".py") and not path.endswith("__main__.py"):
            names.append(path[:-3].replace(os.sep, ".").removesuffix(".__init__"))
for name in sorted(names):
    child = os.fork()
    if not child:
        try:
            __import__(name)
        except BaseException:
            print(name, traceback.format_exc(limit=-3), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
print("modules:", len(names))
"""

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


@pytest.mark.long
@pytest.mark.parametrize("first", FIRST)
def test_fixes_and_modules_are_there_whatever_is_imported_first(first):
    done = run(FIXED.format(first=first))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_every_module_can_be_the_first_import():
    done = run(EVERY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("modules: "), done.stdout
    assert int(done.stdout.split()[1]) > 200


@pytest.mark.long
def test_packages_are_attributes():
    done = run("import condinst; print(condinst.models.CondInst.__name__)")
    assert done.stdout.split() == ["CondInst"], done.stderr
    missing = run("import condinst; condinst.nothing")
    assert "module 'condinst' has no attribute 'nothing'" in missing.stderr
