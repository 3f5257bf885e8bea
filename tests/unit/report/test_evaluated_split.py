"""Test how a report finds the data of its run."""

import json
import re
import shutil

import pytest
from mmengine.config import Config
from report_pages import make

from condinst.cli.main import main


def test_moved_data_are_said_and_the_rest_is_shown(work_dir, perfect):
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))

    def move(cfg):
        cfg.val_evaluator.ann_file = "gone/truth.json"

    text, report, (missing,) = make(work_dir, change=move)
    assert "val_evaluator.ann_file gone/truth.json: file not found" in missing
    assert "data_root=FOLDER" in missing
    assert "curves" in report
    assert "gone/truth.json" in text


def relative_run(work_dir, shapes, place):
    """Move the run to ``place``; its config names the data from the folder above the shapes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    work_dir.rename(place)
    config = place / "20260101_000000" / "vis_data" / "config.py"
    config.write_text(config.read_text().replace(f"{shapes.as_posix()}/", f"{shapes.name}/"))
    Config.fromfile(config).dump(config)  # plain values, as a training writes them


@pytest.mark.parametrize("how", ["noted", "above"])
def test_the_data_are_found_from_any_folder(work_dir, perfect, shapes, tmp_path, monkeypatch, how):
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))
    (work_dir / "run_info.json").write_text(json.dumps({"started_in": str(shapes.parent)}))
    place = tmp_path / "moved" / "run"
    if how == "above":
        (work_dir / "run_info.json").unlink()
        place = shapes.parent / "work_dirs" / "run"
    relative_run(work_dir, shapes, place)
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    text, report, missing = make(place)
    assert missing == []
    assert report["ap"]["segm"]["mAP"] == pytest.approx(1)
    assert "data:image/jpeg" in text
    shutil.rmtree(place)


def test_the_folder_of_the_training_comes_before_this_one(
    work_dir, perfect, shapes, tmp_path, monkeypatch
):
    """Another dataset at the same relative path must not be taken for the one of the training."""
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))
    (work_dir / "run_info.json").write_text(json.dumps({"started_in": str(shapes.parent)}))
    relative_run(work_dir, shapes, tmp_path / "moved")
    shutil.copytree(shapes, tmp_path / "other" / shapes.name)
    annotations = tmp_path / "other" / shapes.name / "annotations" / "instances_val.json"
    content = json.loads(annotations.read_text())
    content["annotations"] = content["annotations"][:1]
    annotations.write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path / "other")
    _, report, _ = make(tmp_path / "moved")
    assert sum(image["objects"] for image in report["images"]) == len(perfect)
    assert (
        main(["report", str(tmp_path / "moved"), "--cfg-options", f"data_root={shapes.name}"]) == 0
    )
    report = json.loads((tmp_path / "moved" / "report.json").read_text())
    assert sum(image["objects"] for image in report["images"]) == 1


def test_a_page_that_shows_more_is_kept(work_dir, perfect, shapes, tmp_path, monkeypatch, capsys):
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))
    before = make(work_dir)[0]
    relative_run(work_dir, shapes, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "moved" / "report.html"
    assert main(["report", str(tmp_path / "moved")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"error: {page} is kept" in line
    assert "val_evaluator.ann_file shapes/annotations/instances_val.json: file not found" in line
    assert page.read_text() == before
    assert main(["report", str(tmp_path / "moved"), "--out", "other.html"]) == 0
    assert "everything about the predictions" in capsys.readouterr().out
    assert page.read_text() == before
    root = f"data_root={shapes.as_posix()}/"
    assert main(["report", str(tmp_path / "moved"), "--cfg-options", root]) == 0
    page.unlink()
    assert main(["report", str(tmp_path / "moved")]) == 0, "no page is there to be kept"


def test_images_that_cannot_be_read_are_left_out(work_dir, perfect, tmp_path, shapes):
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))

    def move(cfg):
        cfg.val_dataloader.dataset.data_prefix = dict(img="elsewhere/")

    text, report, (missing,) = make(work_dir, change=move)
    assert re.search(r"\d+ images: image file not found: .*elsewhere", missing)
    assert report["ap"]["segm"]["mAP"] == pytest.approx(1)
    assert "data:image/jpeg" not in text
