"""The quickstart's wiring; the whole of it as a slow test."""

import json
import shlex

import cv2
import pytest
import torch

from condinst.cli import quickstart
from condinst.cli.main import build_parser, main
from condinst.datasets.shapes import generator

METRICS = {"coco/bbox_mAP": 0.15, "coco/segm_mAP": 0.11}


@pytest.fixture
def config(repo):
    return str(repo / "configs" / "quickstart" / "quickstart_condinst_r18_fpn_shapes.py")


def test_it_trains_and_tests_what_it_generated(config, tmp_path, monkeypatch, capsys):
    said = {}
    data, work_dir = tmp_path / "shapes", tmp_path / "run"

    def train(argv):
        said["train"] = argv
        work_dir.mkdir()
        print("table of the training")
        torch.save({"state_dict": {}, "meta": {"iter": 7}}, work_dir / "iter_7.pth")

    def test(argv):
        said["test"] = argv
        print("table of the test")
        return METRICS

    monkeypatch.setattr(generator, "make_shapes", lambda folder, on_image: said.update(data=folder))
    monkeypatch.setattr("condinst.cli.train.main", train)
    monkeypatch.setattr("condinst.cli.test.main", test)
    argv = ["--data", str(data), "--work-dir", str(work_dir), "--iters", "7"]
    assert quickstart.main(argv) == METRICS
    assert said["data"] == str(data)
    for step in ("train", "test"):
        assert said[step][0] == config
        assert f"data_root={data}/" in said[step]
        assert "train_cfg.max_iters=7" in said[step]
    assert str(work_dir / "iter_7.pth") in said["test"]
    out = capsys.readouterr().out
    assert "table of the training" in out
    assert "table of the test" not in out
    for place in ("iter_7.pth", "images"):
        assert str(work_dir / place) in out
    *_, head, predict, report, new = out.splitlines()
    assert head == "next:"
    assert predict.endswith(f"condinst predict {work_dir / 'iter_7.pth'} IMAGE --out found")
    assert f"condinst report {work_dir} " in report
    assert "condinst new mine --data FOLDER " in new


@pytest.mark.parametrize("active", [True, False])
def test_the_next_commands_can_be_typed(tmp_path, monkeypatch, active):
    """From an environment that is not active, such as that of ``make train``, too."""
    monkeypatch.chdir(tmp_path)
    for name in ("my data/val/000001.png", "my data/val/000000.png", ".venv/bin/condinst"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(quickstart.sys, "executable", str(tmp_path / ".venv/bin/python"))
    found = "/usr/bin/condinst" if active else None
    monkeypatch.setattr(quickstart.shutil, "which", lambda name: found)
    checkpoint = str(tmp_path / "runs" / "iter_7.pth")
    lines = quickstart._next_steps("my data", "runs", checkpoint).splitlines()
    program = "condinst" if active else ".venv/bin/condinst"
    words = [program, "predict", "runs/iter_7.pth", "my data/val/000000.png", "--out", "found"]
    assert shlex.split(lines[1]) == words
    assert shlex.split(lines[2], comments=True) == [program, "report", "runs"]
    build_parser("predict")[0].parse_args(shlex.split(lines[1])[1:])


@pytest.mark.slow
def test_the_small_model_reaches_the_promised_ap(tmp_path):
    data, work_dir = tmp_path / "shapes", tmp_path / "run"
    metrics = quickstart.main(["--data", str(data), "--work-dir", str(work_dir)])
    assert metrics["coco/segm_mAP"] >= 0.60
    assert metrics["coco/bbox_mAP"] >= 0.60
    images = json.loads((data / "annotations" / "instances_val.json").read_text())["images"]
    assert len(list((work_dir / "images").glob("*.jpg"))) == len(images)
    assert cv2.imread(str(work_dir / "curves.png")) is not None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("quickstart --iters 0", "error: --iters 0: expected 1 or more"),
        ("make-shapes --train 0", "error: --train 0: expected 1 or more"),
        ("make-shapes --val -3", "error: --val -3: expected 1 or more"),
        ("make-shapes --size 5 --out new", "error: size: expected 64 to 2048 pixels, got 5"),
    ],
)
def test_numbers_that_cannot_be_meant(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 1
    assert capsys.readouterr().err == f"{expected}\n"
    assert list(tmp_path.iterdir()) == []
