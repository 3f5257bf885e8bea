"""The packages import one way, as ``[tool.importlinter]`` in pyproject.toml says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RULES = ("Packages import one way", "No circles of files", "Exported files run without")


def lint(root: Path) -> str:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PYTHONPATH": str(root), "COLUMNS": "200", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return done.stdout


def test_the_layers_hold(repo):
    out = lint(repo)
    assert all(f"{rule}" in out for rule in RULES)
    assert "Contracts: 3 kept, 0 broken." in out, out


@pytest.mark.parametrize(
    ("rule", "file", "line"),
    [
        (RULES[0], "masks/crop.py", "from condinst.results import Results"),
        (RULES[0], "results/formats.py", "def f():\n    from condinst.cli import train"),
        (RULES[1], "masks/crop.py", "from condinst.masks import rle"),
        (RULES[2], "images/sources.py", "import torch"),
    ],
)
def test_an_import_the_wrong_way_is_found(repo, tmp_path, rule, file, line):
    shutil.copytree(repo / "condinst", tmp_path / "condinst")
    shutil.copy(repo / "pyproject.toml", tmp_path)
    path = tmp_path / "condinst" / file
    path.write_text(f"{path.read_text()}\n\n{line}\n")
    out = lint(tmp_path)
    verdict = next(text for text in out.splitlines() if text.startswith(rule))
    assert verdict.endswith("BROKEN"), out


def test_every_package_says_its_public_names(repo):
    packages = [path.parent for path in (repo / "condinst").rglob("__init__.py")]
    silent = {p.name for p in packages if "__all__" not in (p / "__init__.py").read_text()}
    assert silent == set()
    loose = {path.name for path in (repo / "condinst").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "convert.py", "registry.py", "version.py"}
