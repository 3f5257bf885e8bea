"""Types that a user's program sees: ``mypy --strict`` on one, and the imports that mypy reads."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
[mypy]
strict = True
python_version = 3.10

[mypy-condinst.*]
follow_imports = silent
"""


def check(script: str, repo: Path, folder: Path) -> str:
    """Return mypy's words on a script that imports the package as an installed one."""
    (folder / "script.py").write_text(script)
    (folder / "mypy.ini").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "script.py"],
        cwd=folder,
        env={"MYPYPATH": str(repo)},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.mark.long
def test_a_users_script_is_typed(repo, tmp_path):
    script = (repo / "tests" / "helpers" / "user_script.py").read_text()
    assert check(script, repo, tmp_path) == "Success: no issues found in 1 source file\n"
    wrong = (
        "from condinst import Predictor, Result\n"
        "results = Predictor('a.pth')('a.jpg')\n"
        "results.confidence\n"
        "results[0].name + 1\n"
        "Predictor('a.pth')('a.jpg', conf=0.5)\n"
        "Predictor('a.pth')(['a.jpg']).boxes\n"
    )
    out = check(wrong, repo, tmp_path)
    for line, kind in ((1, "attr-defined"), (3, "attr-defined"), (4, "operator")):
        assert f"script.py:{line}: error" in out
        assert f"[{kind}]" in out
    assert "script.py:5: error: No overload variant" in out
    assert 'script.py:6: error: "list[Results]" has no attribute "boxes"' in out


def lazy_packages() -> list[str]:
    root = Path(__file__).resolve().parents[2] / "condinst"
    # the stand-in for mmcv's operators answers every name, so that it has none to declare
    files = [
        path
        for path in root.rglob("__init__.py")
        if "__getattr__" in path.read_text() and path.parent.name != "mmcv_ext"
    ]
    return sorted(".".join(("condinst", *f.relative_to(root).parts[:-1])) for f in files)


def test_there_are_lazy_packages():
    assert {"condinst", "condinst.results", "condinst.inference"} <= set(lazy_packages())


@pytest.mark.parametrize("package", lazy_packages())
def test_a_lazy_package_imports_its_names_for_type_checkers(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    (block,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.name == alias.asname  # else it is not exported to strict checkers
            found[alias.name] = f"{node.module}.{alias.name}"
    assert set(found) == set(module.__all__) - {"__version__"}
    for name, place in found.items():
        owner, _, attribute = place.rpartition(".")
        typed = getattr(importlib.import_module(owner), attribute, None)
        assert getattr(module, name) is (typed or importlib.import_module(place))
