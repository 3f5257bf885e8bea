"""Every line of ours in docs/coming_from.md, from top to bottom."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import REPO
from PIL import Image

from condinst.cli.main import main

pytestmark = pytest.mark.long

PAGE = (REPO / "docs" / "coming_from.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

# What makes a command quick: two iterations of a small model on small images.
FEW = [
    "--cfg-options",
    "train_cfg.max_iters=2",
    "train_dataloader.batch_size=2",
    *(
        f"{split}_dataloader.{setting}"
        for split in ("train", "val", "test")
        for setting in ("num_workers=0", "persistent_workers=False")
    ),
]
QUICK = {
    "new": ["--from-scratch", "--device", "cpu"],
    "train": FEW,
    "test": FEW,
    "predict": ["--device", "cpu"],
    "export": ["--check-images", "images"],
    "doctor": [],
}


@pytest.fixture
def folder(shapes, trained, tmp_path, monkeypatch) -> Path:
    """The files that the page names; its model is one that finds something."""
    shutil.copytree(shapes, tmp_path / "data" / "shapes")
    shutil.copytree(shapes / "val", tmp_path / "images")
    photo = Image.open(shapes / "train" / "000000.png").convert("RGB")
    photo.save(tmp_path / "photo.jpg", quality=95)
    Image.new("RGB", (1100, 90)).save(tmp_path / "slide.png")
    (tmp_path / "work_dirs").mkdir()
    shutil.copyfile(trained / "iter_80.pth", tmp_path / "work_dirs" / "trained.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_command(line: str) -> None:
    name, command, *words = shlex.split(line)
    assert name == "condinst"
    # what is trained here in two iterations
    words = [word.replace("iter_3000", "iter_2") for word in words]
    assert main([command, *words, *QUICK[command]]) in (None, 0), line


def test_the_page_from_top_to_bottom(folder, capsys):
    names: dict[str, Any] = {}
    for language, block in BLOCKS:
        if language == "bash":
            for line in block.splitlines():
                run_command(line)
        else:
            block = block.replace("mine/iter_3000.pth", "trained.pth")
            exec(compile(block, "docs/coming_from.md", "exec"), names)
    assert len(names["again"]) > 0
    assert len(names["stars"]) <= len(names["several"]) <= len(names["results"])
    assert names["drawn"].shape == (480, 480, 3)
    for name in (
        "drawn.jpg",
        "sure.png",
        "model.onnx",
        "detections.json",
        "found/annotations.json",
    ):
        assert (folder / name).stat().st_size


def test_the_page_has_ten_tasks_with_a_line_of_ours_each():
    tasks = re.split(r"^## (?=\d)", PAGE, flags=re.MULTILINE)[1:]
    assert [task.split(".")[0] for task in tasks] == [str(i) for i in range(1, 11)]
    for task in tasks:
        assert re.search(r"^```(bash|python)$", task, re.MULTILINE)
        for library in ("ultralytics", "mmdetection", "detectron2", "segment-anything"):
            assert re.search(rf"^\| .*{library}.* \| .+ \|$", task, re.MULTILINE), task[:40]
