"""The page that a training leaves, and that of a test."""

import json
import re

import pytest
from commands import SMALL, read_metrics, run_here


def check_page(page):
    """Nothing is fetched, every link is there, no number is nan; returns text and report.json."""
    text = page.read_text()
    links = [x for x in re.findall(r'(?:href|src)="([^"]+)"', text) if x[0] != "#"]
    files = [x for x in links if not x.startswith(("data:image/", "data:text/csv"))]
    assert len(links) > 8
    assert [name for name in files if not (page.parent / name).is_file()] == []
    report = json.loads(page.with_suffix(".json").read_text())
    assert "NaN" not in page.with_suffix(".json").read_text()
    assert report["missing"] == []
    return text, report


def test_a_training_ends_with_its_page(trained):
    text, report = check_page(trained / "report.html")
    info = json.loads((trained / "run_info.json").read_text())
    last = info["validations"]["last"]
    assert last["iteration"] == 80
    for kind in ("segm", "bbox"):
        # saved, read and evaluated again: what the log says
        logged = last["metrics"][f"coco/{kind}_mAP"]
        assert report["ap"][kind]["mAP"] == pytest.approx(logged, abs=6e-4)
        assert report["curves"][f"coco/{kind}_mAP"][-1] == [80, logged]
    best = max(value for _, value in report["curves"]["coco/segm_mAP"])
    assert info["validations"]["best"]["metrics"]["coco/segm_mAP"] == best
    assert "Worst images" in text
    assert len(report["images"]) == 8


def test_the_page_is_made_again_from_the_files_and_by_a_test(trained, shapes, tmp_path, capsys):
    made_before = json.loads((trained / "report.json").read_text())
    page = tmp_path / "deep" / "again.html"
    capsys.readouterr()
    run_here("report", trained, "--out", page)
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {page}"
    _, again = check_page(page)
    for key in ("ap", "score_threshold", "confusion_matrix", "errors", "images", "curves"):
        assert again[key] == made_before[key]

    results = tmp_path / "results.html"
    words = ["test", SMALL, trained / "iter_80.pth", "--work-dir", tmp_path / "test"]
    run_here(*words, "--report", results, data=shapes)
    text, tested = check_page(results)
    assert "Test of iter_80.pth" in text
    metrics = read_metrics(tmp_path / "test")
    assert tested["ap"]["segm"]["mAP"] == pytest.approx(metrics["coco/segm_mAP"], abs=6e-4)
    assert tested["ap"]["segm"] == pytest.approx(made_before["ap"]["segm"], abs=1e-3)
