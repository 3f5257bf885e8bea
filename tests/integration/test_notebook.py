"""The notebook for Colab, from top to bottom as a script."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from condinst.datasets.shapes.scene import CLASSES
from condinst.deploy import OnnxPredictor

pytestmark = pytest.mark.long


def test_the_notebook_runs_from_top_to_bottom(repo, tmp_path, monkeypatch):
    path = repo / "examples" / "condinst_colab.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    (tmp_path / "notebook.py").write_text("\n\n".join(cells))
    done = subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=tmp_path,
        env=dict(os.environ, ITERATIONS="2", NUM_IMAGES="40"),
        timeout=900,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    # each step used what the step before it had made
    data_page = (tmp_path / "data.html").read_text()
    assert "instances_train.json" in data_page
    assert all(name in data_page for name in CLASSES)
    config = Config.fromfile(tmp_path / "mine" / "mine.py")
    assert config.model.bbox_head.num_classes == len(CLASSES)
    assert tuple(config.train_dataloader.dataset.metainfo.classes) == CLASSES
    checkpoint = torch.load(tmp_path / "work_dirs/mine/iter_2.pth", weights_only=False)
    assert checkpoint["meta"]["iter"] == 2
    report = (tmp_path / "work_dirs/mine/report.html").read_text()
    assert all(name in report for name in CLASSES)
    assert Image.open(tmp_path / "predicted.jpg").size == (512, 512)  # enlarged for the names

    # the exported file answers on an image of the data
    monkeypatch.chdir(tmp_path)
    found = OnnxPredictor("mine.onnx")("data/shapes/val/000001.png")
    assert found.image_size == (128, 128)
    assert found.masks.shape == (len(found), 128, 128)
    assert str(found) in done.stdout


@pytest.fixture
def functions(repo, monkeypatch):
    """What the first cell defines, without the commands that it runs."""
    notebook = nbformat.read(repo / "examples" / "condinst_colab.ipynb", as_version=4)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    monkeypatch.delenv("CONDINST_SOURCE", raising=False)
    defined = {}
    exec(first.partition("\nif importlib")[0], defined)
    return defined


def test_a_page_is_shown_in_a_frame_that_keeps_its_style(functions, tmp_path):
    page = (
        '<!doctype html><style>body { color: "red" }</style><p title=\'a "b"\'>1 &lt; 2 &amp; ä</p>'
    )
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    shown, frames = [], []
    functions["display"] = shown.append
    functions["show_page"](tmp_path / "page.html")

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag in ("div", "iframe")
            frames.extend([dict(attrs)] if tag == "iframe" else [])

    Reader().feed(shown[0].data)
    assert [frame["srcdoc"] for frame in frames] == [page]


def test_the_source_is_a_wheel_here_or_a_checkout_around_the_notebook(
    functions, repo, tmp_path, monkeypatch
):
    monkeypatch.chdir(repo / "examples")
    assert functions["find_source"]() == ".."
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="upload a wheel or set SOURCE"):
        functions["find_source"]()
    (tmp_path / "condinst-0.1.0-py3-none-any.whl").touch()
    assert functions["find_source"]() == "condinst-0.1.0-py3-none-any.whl"


def test_the_notebook_holds_no_output(repo):
    content = json.loads((repo / "examples" / "condinst_colab.ipynb").read_text())
    assert not [cell for cell in content["cells"] if cell.get("outputs")]
