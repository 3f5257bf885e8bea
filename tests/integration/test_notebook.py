"""The notebook for Colab, from top to bottom as a script."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

pytestmark = pytest.mark.long


def test_the_notebook_runs_from_top_to_bottom(repo, tmp_path):
    path = repo / "examples" / "condinst_colab.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    (tmp_path / "notebook.py").write_text("\n\n".join(cells))
    subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=tmp_path,
        env=dict(os.environ, ITERATIONS="2", NUM_IMAGES="40"),
        check=True,
        timeout=900,
    )
    metrics = json.loads((tmp_path / "work_dirs" / "mine" / "report.json").read_text())
    assert metrics
    for name in ("data.html", "mine/mine.py", "work_dirs/mine/report.html", "mine.onnx"):
        assert (tmp_path / name).stat().st_size
    assert (tmp_path / "predicted.jpg").stat().st_size


def test_the_notebook_holds_no_output(repo):
    content = json.loads((repo / "examples" / "condinst_colab.ipynb").read_text())
    assert not [cell for cell in content["cells"] if cell.get("outputs")]
