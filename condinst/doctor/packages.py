"""Python and the installed packages, against what the package asks for and what is tested."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from pathlib import Path

from condinst.version import __version__

from .finding import ERROR, OK, WARNING, Finding

_GROUP = "packages"
# requirements.txt, which an installed package does not have beside it; a test keeps them equal
TESTED = {
    "faster-coco-eval": ">=1.6.5,<1.9",
    "mmcv-lite": "==2.1.0",
    "mmdet": "==3.3.0",
    "mmengine": "==0.10.7",
    "numpy": ">=1.26,<2.5",
    "opencv-python": ">=4.11,<5.1",
    "pillow": ">=9.1,<14",
    "pycocotools": ">=2.0.10,<2.1",
    "scikit-image": ">=0.24,<0.27",
    "tensorboard": ">=2.10,<3",
    "timm": ">=1.0,<1.1",
    "torch": ">=2.1,<2.16",
    "torchvision": ">=0.16,<0.30",
}
_OPTIONAL = {
    "scikit-image": "BoxInst",
    "timm": "timm's backbones",
    "faster-coco-eval": "quick COCO evaluation; without it, pycocotools'",
    "tensorboard": "logs for TensorBoard",
}
_PYTHON = ((3, 10), (3, 13))


def check() -> list[Finding]:
    """Versions, conflicts, and whether the packages can be imported."""
    found = [_python(), Finding(_GROUP, "condinst", OK, f"{__version__} in {_location()}")]
    versions = {name: _version(name) for name in TESTED}
    versions["opencv-python"] = versions["opencv-python"] or _version("opencv-python-headless")
    for name, version in versions.items():
        if name != "mmcv-lite":
            found.append(_package(name, version))
    found.append(_mmcv(_version("mmcv"), versions["mmcv-lite"]))
    return found + [_import(name, module) for name, module in _IMPORTS.items()]


_IMPORTS = {"OpenCV works": "cv2", "torch works": "torch", "mmdet works": "mmdet.models"}


def _python() -> Finding:
    running = sys.version_info[:2]
    text = f"{sys.version.split()[0]} ({sys.executable})"
    if running < _PYTHON[0]:
        return Finding(_GROUP, "python", ERROR, text, "Python 3.10 to 3.13 is needed")
    if running > _PYTHON[1]:
        return Finding(_GROUP, "python", WARNING, text, "tested with Python 3.10 to 3.13")
    return Finding(_GROUP, "python", OK, text)


def _location() -> str:
    return str(Path(__file__).resolve().parents[1])


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str, version: str | None) -> Finding:
    tested = TESTED[name]
    if version is None:
        if name in _OPTIONAL:
            return Finding(_GROUP, name, OK, f"not installed (for {_OPTIONAL[name]})")
        return Finding(_GROUP, name, ERROR, "not installed", f'pip install "{name}{tested}"')
    needed = _needed(name)
    if needed and not _fits(version, needed):
        return Finding(
            _GROUP, name, ERROR, f"{version}, needed is {needed}", f'pip install "{name}{tested}"'
        )
    if not _fits(version, tested):
        return Finding(
            _GROUP, name, WARNING, version, f"tested with {tested}; this may work as well"
        )
    return Finding(_GROUP, name, OK, version)


def _needed(name: str) -> str | None:
    """The range that the installed package's own metadata asks for."""
    try:
        lines = metadata.requires("condinst") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return None
    for line in lines:
        if ";" not in line and line.startswith(name) and line[len(name) :][:1] in tuple("<>=!~("):
            return line[len(name) :].strip("() ")
    return None


def _fits(version: str, specifier: str) -> bool:
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:  # matplotlib, which mmdet needs, brings it
        return True
    # 2.14.0+cu128 is 2.14.0
    return SpecifierSet(specifier).contains(version.split("+")[0], prereleases=True)


def _mmcv(compiled: str | None, lite: str | None) -> Finding:
    if compiled and lite:
        advice = "they overwrite each other's files: pip uninstall mmcv mmcv-lite, then install one"
        return Finding(_GROUP, "mmcv", ERROR, f"mmcv {compiled} and mmcv-lite {lite}", advice)
    if not compiled and not lite:
        advice = "pip install mmcv-lite==2.1.0 (or a compiled mmcv that fits your PyTorch)"
        return Finding(_GROUP, "mmcv", ERROR, "not installed", advice)
    name = f"mmcv {compiled}" if compiled else f"mmcv-lite {lite}"
    try:
        from condinst import compat

        compat.apply()
        file = importlib.import_module("mmcv._ext").__file__ or ""
    except Exception as error:  # a broken installation fails in any way
        return Finding(_GROUP, "mmcv", ERROR, f"{name}: {_line(error)}", _ADVICE)
    stand_in = "condinst" in file
    operators = "operators on torch and torchvision" if stand_in else "compiled operators"
    return Finding(_GROUP, "mmcv", OK, f"{name}, {operators}")


_ADVICE = "pip install -r requirements.txt, in an environment of its own"


def _import(name: str, module: str) -> Finding:
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation fails in any way
        advice = _ADVICE
        if "libGL" in str(error):
            advice = "pip uninstall opencv-python, then pip install opencv-python-headless"
        return Finding(_GROUP, name, ERROR, _line(error), advice)
    return Finding(_GROUP, name, OK, f"import {module}")


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
