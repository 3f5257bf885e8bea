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

import cv2
import numpy as np
import onnxruntime
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
    """Bright disks on black, which the shipped model knows as nuclei."""
    y, x = np.mgrid[:256, :256]
    cells = sum(
        (np.hypot(x - 32 - 64 * (i % 4), y - 32 - 64 * (i // 4)) < 12) * (100 + 5 * i)
        for i in range(16)
    )
    path = tmp_path_factory.mktemp("cells") / "cells.png"
    Image.fromarray(cells.astype(np.uint8)).save(path)
    return path


def test_the_page_answers_as_onnx_runtime_in_python(page, folder, image):
    page.set_input_files("#file", str(image))
    page.wait_for_function(LINE, arg=" ms", timeout=600_000)
    found = page.evaluate(FOUND)
    # the model doubles the size; OpenCV resizes floats without rounding
    pixels = np.asarray(Image.open(image).convert("RGB"), np.float32)
    doubled = np.floor(cv2.resize(pixels, (512, 512), interpolation=cv2.INTER_LINEAR) + 0.5)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    feeds = {"images": doubled.transpose(2, 0, 1)[None], "out_size": np.array([256, 256])}
    outputs = dict(
        zip([out.name for out in session.get_outputs()], session.run(None, feeds), strict=True)
    )
    count = (outputs["scores"] >= 0.3).sum()
    assert len(found) == len(outputs["scores"])
    assert count >= 16
    np.testing.assert_allclose([row["score"] for row in found], outputs["scores"], atol=1e-5)
    np.testing.assert_allclose(
        [row["box"] for row in found[:count]], outputs["boxes"][:count], atol=1e-3
    )
    for row, mask in zip(found[:count], outputs["masks"][:count], strict=True):
        assert row["name"] == "nucleus"
        drawn = np.zeros(256 * 256, bool)
        drawn[row["mask"]] = True
        assert (drawn != (mask.ravel() != 0)).sum() <= 1  # a logit of 0 up to rounding


def test_the_threshold_is_moved_without_another_prediction(page):
    page.evaluate("find('threshold').value = 1; draw()")
    assert page.inner_text("#line").startswith("0 of ")
    assert "error" not in page.inner_text("#line")


def test_a_file_that_is_no_image_is_named(page, tmp_path):
    (tmp_path / "notes.png").write_text("hello")
    page.set_input_files("#file", str(tmp_path / "notes.png"))
    page.wait_for_function(LINE, arg="error: ", timeout=60_000)
