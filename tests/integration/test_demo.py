"""The page of ``condinst demo`` in a real Chromium, as a user sees it.

The test needs more than the test environment has: ``pip install "condinst[demo]" playwright``, and
Chromium, from the environment variable CHROMIUM, else chromium-headless-shell or chromium. Run it
with ``pytest -m slow tests/integration/test_demo.py``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from chromium import chromium
from commands import free_port
from PIL import Image

pytestmark = pytest.mark.slow

LINE = "text => document.querySelector('#line')?.innerText?.includes(text)"


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Bright disks on black, which the shipped model knows as nuclei, and files that are none."""
    folder = tmp_path_factory.mktemp("cells")
    y, x = np.mgrid[:256, :256]
    cells = sum(
        (np.hypot(x - 32 - 64 * (i % 4), y - 32 - 64 * (i // 4)) < 12) * 120 for i in range(16)
    )
    Image.fromarray(cells.astype(np.uint8)).save(folder / "cells.png")
    Image.fromarray((cells * 257).astype(np.uint16)).save(folder / "deep.tif")
    (folder / "notes.txt").write_text("hello")
    (folder / "broken.png").write_bytes((folder / "cells.png").read_bytes()[:60])
    return folder


@pytest.fixture(scope="module")
def address(images):
    port = free_port()
    words = [sys.executable, "-m", "condinst", "demo", "nuclei", str(images), "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "model  nuclei\n"
    line = process.stdout.readline()
    assert line.startswith(f"page   http://127.0.0.1:{port}/")
    yield f"http://127.0.0.1:{port}/"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


class Page:
    """The page in a window of its own; remembers what is asked for outside of this machine."""

    def __init__(self, browser, address: str, **options) -> None:
        self.page = browser.new_context(accept_downloads=True, **options).new_page()
        self.foreign: list[str] = []
        self.page.on("request", self._remember)
        self.page.goto(address)
        self.wait("Drop images")

    def _remember(self, request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(request.url)

    def wait(self, text: str) -> str:
        self.page.wait_for_function(LINE, arg=text, timeout=120_000)
        return self.page.inner_text("#line")

    def upload(self, *paths: Path) -> None:
        if self.page.is_visible("#files button[aria-label='Clear']"):
            self.page.click("#files button[aria-label='Clear']")
            self.page.wait_for_function("document.querySelector('#line').innerText.trim() == ''")
        self.page.set_input_files("#files input[type=file]", [str(path) for path in paths])

    def download(self, button: str) -> Path:
        with self.page.expect_download() as waiting:
            self.page.click(button)
        return waiting.value.path()


def test_an_image_from_upload_to_download(browser, address, images):
    page = Page(browser, address, viewport=dict(width=1280, height=900))
    page.upload(images / "cells.png")
    assert "16 nucleus" in page.wait("nucleus")
    content = json.loads(page.download("#coco").read_text())
    assert content["images"][0]["file_name"] == "cells.png"
    scores = np.array([row["score"] for row in content["annotations"]])
    labels = np.asarray(Image.open(page.download("#label")))
    disks = np.asarray(Image.open(images / "cells.png")) > 0
    assert ((labels > 0) & disks).sum() / ((labels > 0) | disks).sum() > 0.8
    with Image.open(page.download("#drawn")) as drawn:
        assert min(drawn.size) >= 256
    # the threshold is moved: fewer are drawn and downloaded, and nothing is predicted again
    high = float(np.sort(scores)[8])
    before = page.page.get_attribute("#shown img", "src")
    page.page.fill("#threshold input[type=number]", f"{high:.2f}")
    page.page.keyboard.press("Tab")
    left = int((scores >= np.float32(round(high, 2))).sum())
    page.wait(f": {left} nucleus" if left else ": nothing")
    assert page.page.get_attribute("#shown img", "src") != before
    content = json.loads(page.download("#coco").read_text())
    assert len(content["annotations"]) == left
    assert page.foreign == []


def test_errors_are_one_line(browser, address, images):
    page = Page(browser, address)
    for name in ("notes.txt", "broken.png"):
        page.upload(images / name)
        line = page.wait(name)
        assert line.startswith(f"image file {name}: ")
        assert "\n" not in line.strip()
    page.upload(images / "deep.tif")
    assert "16 nucleus" in page.wait("deep.tif (256")


def test_the_folder_of_the_command_line(browser, address):
    page = Page(browser, address)
    page.page.click("#folder")
    line = page.wait("broken.png: ")
    assert line.startswith("cells.png (256 x 256): 16 nucleus")
    with zipfile.ZipFile(page.download("#label")) as archive:
        assert archive.namelist() == ["cells.png", "deep.png"]
    page.page.fill("#position input[type=number]", "2")
    page.page.keyboard.press("Tab")
    page.wait("deep.tif (256")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(browser, address, images, width, scheme, tmp_path):
    size = dict(width=width, height=850)
    page = Page(browser, address, viewport=size, color_scheme=scheme)
    page.upload(images / "cells.png", images / "deep.tif")
    page.wait("nucleus")
    time.sleep(0.5)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.page.screenshot(path=tmp_path / "page.png", full_page=True)
    with Image.open(tmp_path / "page.png") as shot:
        assert (np.asarray(shot.convert("L")).mean() < 100) == (scheme == "dark")
