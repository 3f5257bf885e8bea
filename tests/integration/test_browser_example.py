"""The page of ``examples/browser`` in a real Chromium: the exported file in onnxruntime-web.

The test needs more than the test environment has: ``pip install "condinst[export]" playwright``,
npm, which installs onnxruntime-web, and Chromium (as ``test_demo.py``). Run it with
``pytest -m slow tests/integration/test_browser_example.py``.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from chromium import chromium
from PIL import Image

pytestmark = pytest.mark.slow

LINE = "text => document.querySelector('#line').innerText.includes(text)"
# the instances of the page, with each mask as the indices of its pixels
FOUND = """instances.map(({ score, name, box, mask }) => ({
    score, name, box: [...box], mask: [...mask.keys()].filter((i) => mask[i]) }))"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def folder(repo, tmp_path_factory):
    """A copy of the example with a model, made with the commands of its README."""
    folder = tmp_path_factory.mktemp("browser") / "example"
    shutil.copytree(
        repo / "examples" / "browser", folder, ignore=shutil.ignore_patterns("node_modules")
    )
    subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, check=True)
    words = [sys.executable, "-m", "condinst", "export", "nuclei", "--out", folder / "model.onnx"]
    subprocess.run(words, cwd=repo, check=True)
    words = [sys.executable, "metadata.py", "model.onnx"]
    about = subprocess.run(words, cwd=folder, check=True, capture_output=True)
    (folder / "model.json").write_bytes(about.stdout)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def page(address):
    with chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_function(LINE, arg="Choose an image", timeout=120_000)
        yield page


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Bright disks in the size that the model works at, so that nothing is resized."""
    y, x = np.mgrid[:512, :512]
    cells = sum(
        (np.hypot(x - 64 - 128 * (i % 4), y - 64 - 128 * (i // 4)) < 24) * (100 + 5 * i)
        for i in range(16)
    )
    path = tmp_path_factory.mktemp("cells") / "cells.png"
    Image.fromarray(cells.astype(np.uint8)).save(path)
    return path


def test_the_page_answers_as_onnx_runtime_in_python(page, folder, image):
    from condinst.deploy import OnnxPredictor

    page.set_input_files("#file", str(image))
    page.wait_for_function(LINE, arg=" ms", timeout=600_000)
    found = [row for row in page.evaluate(FOUND) if row["score"] >= 0.3]
    expected = OnnxPredictor(folder / "model.onnx", score_thr=0.3)(str(image))
    assert len(found) == len(expected) >= 16
    order = np.argsort(-expected.scores, kind="stable")
    np.testing.assert_allclose([row["score"] for row in found], expected.scores[order], atol=1e-5)
    np.testing.assert_allclose([row["box"] for row in found], expected.boxes[order], atol=1e-3)
    assert [row["name"] for row in found] == [expected.names[i] for i in order]
    for row, mask in zip(found, expected.masks[order], strict=True):
        drawn = np.zeros(512 * 512, bool)
        drawn[row["mask"]] = True
        assert (drawn.reshape(512, 512) != mask).sum() <= 1  # logits of 0 up to rounding


def test_the_threshold_is_moved_without_another_prediction(page):
    page.evaluate("find('threshold').value = 1; draw()")
    assert page.inner_text("#line").startswith("0 of ")
    assert "error" not in page.inner_text("#line")


def test_a_file_that_is_no_image_is_named(page, tmp_path):
    (tmp_path / "notes.png").write_text("hello")
    page.set_input_files("#file", str(tmp_path / "notes.png"))
    page.wait_for_function(LINE, arg="error: ", timeout=60_000)
