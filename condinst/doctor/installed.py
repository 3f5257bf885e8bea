"""Compare Python and the installed packages with the required and the tested versions."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from condinst.doctor.finding import ERROR, OK, WARNING, Finding
from condinst.version import __version__

_GROUP = "packages"
_PYTHON = ((3, 10), (3, 13))
_WORKS_WITHOUT = {"faster-coco-eval": "pycocotools evaluates instead, more slowly"}
_REQUIREMENT = re.compile(r"([\w-]+)\s*\(?([^;()]*)\)?\s*(?:;.*extra == [\"'](.+)[\"'])?")


def check_versions() -> list[Finding]:
    """Check versions, which takes no time."""
    found = [_python(), Finding(_GROUP, "condinst", OK, f"{__version__} in {_location()}")]
    tested, (needed, extras) = tested_versions(), required()
    for name in sorted(needed | tested):
        if name == "mmcv-lite":
            continue
        version = _version(name)
        if name == "opencv-python":
            version = version or _version("opencv-python-headless")
        found.append(_package(name, version, needed.get(name), tested.get(name), extras.get(name)))
    return found


def check_imports() -> list[Finding]:
    """Check that the packages can be imported, and that no two are in conflict."""
    found = [_mmcv(_version("mmcv"), _version("mmcv-lite"))]
    return found + [_import(name, module) for name, module in _IMPORTS.items()]


def tested_versions() -> dict[str, str]:
    """Return the version ranges of ``requirements.txt`` of the checkout or wheel, if any."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / ".mim", package.parent):
        file = folder / "requirements.txt"
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            matches = (_REQUIREMENT.match(line) for line in lines)
            return {match[1]: match[2].strip() for match in matches if match}
    return {}


def required() -> tuple[dict[str, str], dict[str, str]]:
    """Return name -> range of required packages, and name -> extra of optional ones."""
    try:
        return parse(metadata.requires("condinst") or [])
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        return {}, {}


def parse(requirements: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Parse requirements such as ``timm<1.1,>=1.0; extra == "timm"``.

    Returns:
        Name -> range of those without an extra, and name -> extra of the others except "dev".
    """
    needed, extras = {}, {}
    for line in requirements:
        match = _REQUIREMENT.match(line)
        assert match, line
        if match[3] is None:
            needed[match[1]] = match[2].strip()
        elif match[3] != "dev":
            extras[match[1]] = match[3]
    return needed, extras


_IMPORTS = {"OpenCV works": "cv2", "torch works": "torch", "mmdet works": "mmdet.models"}


def _python() -> Finding:
    running = sys.version_info[:2]
    text = f"{sys.version.split()[0]} ({sys.executable})"
    if running < _PYTHON[0]:
        return Finding(_GROUP, "python", ERROR, text, "Python 3.10 to 3.13 is required")
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


def _package(
    name: str, version: str | None, needed: str | None, tested: str | None, extra: str | None
) -> Finding:
    """Check one package.

    Args:
        name: the package.
        version: the installed version, if any.
        needed, tested: the required and the tested range, if any.
        extra: the extra that requires it; such a package may be missing.
    """
    remedy = f'pip install "{name}{tested or needed or ""}"'
    if version is None:
        if extra:
            text = f'not installed (for pip install "condinst[{extra}]")'
            return Finding(_GROUP, name, OK, text)
        if name in _WORKS_WITHOUT:
            text = f"not installed: {_WORKS_WITHOUT[name]}"
            return Finding(_GROUP, name, WARNING, text, remedy)
        return Finding(_GROUP, name, ERROR, "not installed", remedy)
    if needed and not _fits(version, needed):
        return Finding(_GROUP, name, ERROR, f"{version}, required is {needed}", remedy)
    if tested and not _fits(version, tested):
        advice = f"tested with {tested}; this may work as well"
        return Finding(_GROUP, name, WARNING, version, advice)
    return Finding(_GROUP, name, OK, version)


def _fits(version: str, specifier: str) -> bool:
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:  # only if matplotlib, which mmdet requires, is missing too
        return True
    # the local part of 2.14.0+cu128 does not count
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


_ADVICE = "pip install -r requirements.txt in a new environment"


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
