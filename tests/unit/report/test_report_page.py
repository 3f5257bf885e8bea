"""Test the pages of complete and of broken runs."""

import csv
import json
import os
import re

import pytest
from report_pages import make
from report_sets import coco_eval


def rows_of(work_dir, name):
    with open(work_dir / "report_data" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def check_links(text, folder):
    links = [x for x in re.findall(r'(?:href|src)="([^"]+)"', text) if not x.startswith("#")]
    files = [x for x in links if not x.startswith(("data:image/", "data:text/csv;"))]
    assert links
    assert [name for name in files if not (folder / name).is_file()] == []


def test_a_whole_run(work_dir, content, perfect, noise):
    """The run misses one object and has one weak false positive on each image."""
    found = perfect[1:] + noise
    (work_dir / "predictions_val.json").write_text(json.dumps(found))
    info = {"seconds": 3720, "validations": {"last": {"iteration": 40}}, "machine": {"cores": 2}}
    (work_dir / "run_info.json").write_text(json.dumps(info))
    text, report, missing = make(work_dir)
    assert missing == report["missing"] == []
    check_links(text, work_dir)
    assert "0.300 at iteration 40; best 0.400 at 20" in text
    assert "40 of 60 logged" in text
    assert "1 h 02 min" in text
    assert "predictions of the last validation, iteration 40" in text
    assert "iter_40.pth (last)" in text

    for kind in ("segm", "bbox"):
        run = coco_eval(content, found, kind, (1, 10, 50))
        precision = run.eval["precision"]
        assert report["ap"][kind]["mAP"] == pytest.approx(_mean(precision[:, :, :, 0, -1]))
        assert report["ap"][kind]["mAP_s"] == pytest.approx(_mean(precision[:, :, :, 1, -1]))
        for index, name in enumerate(_names(content)):
            expected = _mean(precision[:, :, index, 0, -1])
            assert report["ap_by_class"][kind][name]["mAP"] == pytest.approx(expected)
        if kind == "segm":
            _check_curves(rows_of(work_dir, "precision_recall"), precision, content)

    num = len(perfect)
    best = report["score_threshold"]["all"]
    assert 0.2 < best["threshold"] <= 0.5 + 0.45 / num
    assert best["precision"] == 1
    assert best["recall"] == pytest.approx((num - 1) / num)
    assert f"--score-thr {best['threshold']:g}" in text

    names = [*_names(content), "background"]
    lost = next(c["name"] for c in content["categories"] if c["id"] == _first(content))
    matrix = report["confusion_matrix"]["rows_are_ground_truth"]
    assert sum(map(sum, matrix)) == num
    assert sum(matrix[i][i] for i in range(len(names))) == num - 1
    assert matrix[names.index(lost)][-1] == 1

    assert report["errors"]["counts"]["background"] == len(noise)
    assert report["errors"]["counts"]["missed"] == 1
    worst = next(p for p in report["images"] if p["missed"])
    others = [p for p in report["images"] if p["objects"] and not p["missed"]]
    assert worst["quality"] == pytest.approx((worst["right"]) / (worst["right"] + 0.5))
    assert all(p["quality"] == pytest.approx(1) for p in others)
    assert rows_of(work_dir, "images")[0]["image"] == worst["file"]
    assert f"{worst['file']}: {worst['right']} of {worst['objects']} found" in text


def test_one_to_one_matches(work_dir, content, perfect, noise):
    """One object is missed; a score threshold leaves out every false positive."""
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect[1:] + noise))

    def with_matching(cfg):
        cfg.val_evaluator = [
            cfg.val_evaluator,
            dict(type="MatchingMetric", ann_file="not read", iou_thrs=[0.5]),
        ]

    text, report, missing = make(work_dir, change=with_matching)
    assert missing == []
    num = sum(not a.get("iscrowd") for a in content["annotations"])
    found = report["matching"]
    assert found["recall"] == pytest.approx([(num - 1) / num], abs=0.03)  # shapes may overlap
    assert f"--metric matching --score-thr {found['threshold']:.2f}" in text
    (row,) = rows_of(work_dir, "matches")
    assert float(row["TP/(TP+FP+FN)"]) == pytest.approx(found["ap"][0])

    def wrong(cfg):
        with_matching(cfg)
        cfg.val_evaluator[1].min_visible = 7

    _, report, missing = make(work_dir, change=wrong)
    assert any("min_visible must be from 0 to 1, got 7" in part for part in missing)
    assert "matching" not in report


def _first(content):
    return content["annotations"][0]["category_id"]


def _names(content):
    return [c["name"] for c in sorted(content["categories"], key=lambda c: c["id"])]


def _mean(values):
    return values[values > -1].mean()


def _check_curves(rows, precision, content):
    assert len(rows) == 101
    for at, thr in ((0, 0.5), (5, 0.75)):
        curves = precision[at, :, :, 0, -1]
        for index, name in enumerate(_names(content)):
            ours = [float(row[f"{name}, IoU {thr}"]) for row in rows]
            assert ours == pytest.approx(curves[:, index].tolist())
        assert [float(row[f"IoU {thr}"]) for row in rows] == pytest.approx(curves.mean(axis=1))


def test_nothing_found(work_dir):
    (work_dir / "predictions_val.json").write_text("[]")
    text, report, missing = make(work_dir)
    assert missing == []
    assert "There are no detections on any image." in text
    assert report["ap"]["segm"]["mAP"] == 0
    assert report["score_threshold"]["all"]["threshold"] is None
    assert report["errors"]["gains"]["background"] == 0
    assert "Most missed objects" in text
    assert "Best images" not in text


def test_boxes_without_masks_are_measured_as_boxes(work_dir, perfect):
    for row in perfect:
        del row["segmentation"]
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))
    _, report, missing = make(work_dir)
    assert missing == []
    assert report["iou_type"] == "bbox"
    assert list(report["ap"]) == ["bbox"]
    assert report["ap"]["bbox"]["mAP"] == pytest.approx(1)


def test_without_predictions_the_curves_are_shown_and_a_test_is_named(work_dir):
    text, report, (missing,) = make(work_dir)
    assert report["curves"]["loss"][-1] == [40, 1.0]
    assert report["curves"]["loss_mask"][0] == [10, None]
    assert "condinst test" in missing
    assert "iter_40.pth --report" in missing
    assert "What is missing" in text
    assert "ap" not in report
    check_links(text, work_dir)


def test_a_run_that_logged_nothing(work_dir):
    (work_dir / "20260101_000000" / "vis_data" / "scalars.json").write_text('{"lr": 0.')
    text, report, missing = make(work_dir)
    assert missing[0].startswith("no curves: ")
    assert "curves" not in report
    assert "CondInst, ResNet-18" in text


def test_pipes_and_links_in_the_folder_are_not_waited_for(work_dir):
    for name in ("20260102_000000/vis_data/scalars.json", "run_info.json", "last_checkpoint"):
        path = work_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    (work_dir / "best_x.pth").symlink_to("nothing")
    (work_dir / "other.py").symlink_to("nothing.py")
    _, report, _ = make(work_dir)
    assert "curves" in report


def test_a_run_without_validation(work_dir):
    scalars = work_dir / "20260101_000000" / "vis_data" / "scalars.json"
    lines = [line for line in scalars.read_text().splitlines() if "mAP" not in line]
    scalars.write_text("\n".join(lines))
    text, *_ = make(work_dir)
    assert "No validation has been logged." in text


def test_a_resumed_run_is_marked(work_dir):
    again = work_dir / "20260101_000500" / "vis_data"
    again.mkdir(parents=True)
    first = work_dir / "20260101_000000" / "vis_data"
    (again / "config.py").write_text((first / "config.py").read_text())
    record = {"lr": 0.1, "loss": 0.5, "iter": 30, "step": 30}
    (again / "scalars.json").write_text(json.dumps(record))
    text, report, _ = make(work_dir)
    assert report["resumed_at"] == [30]
    assert "resumed at 30" in text
    assert report["curves"]["loss"][-1] == [30, 0.5]


def test_predictions_of_other_images_are_said(work_dir, perfect):
    perfect[0]["image_id"] = 987654
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))
    _, _, (missing,) = make(work_dir)
    assert "lacks 1 of" in missing
    assert "987654" in missing


def test_the_best_validation(work_dir, perfect):
    (work_dir / "predictions_val.json").write_text("[]")
    _, _, (missing,) = make(work_dir, which="best")
    assert "of the best validation: none was saved" in missing
    (work_dir / "predictions_val_best.json").write_text(json.dumps(perfect))
    _, report, missing = make(work_dir, which="best")
    assert missing == []
    assert report["ap"]["segm"]["mAP"] == pytest.approx(1)


def test_a_cap_below_the_busiest_image_is_said(work_dir, perfect, content):
    def cap(cfg):
        cfg.val_evaluator.proposal_nums = (1, 2)

    (work_dir / "predictions_val.json").write_text(json.dumps(perfect))
    text, *_ = make(work_dir, change=cap)
    assert re.search(r"An image has [3-9] objects, and AP counts 2 detections", text)
    assert "An image has" not in make(work_dir)[0]


def test_a_full_disk_leaves_the_old_page(work_dir, monkeypatch):
    make(work_dir)
    before = (work_dir / "report.html").read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        make(work_dir)
    assert (work_dir / "report.html").read_text() == before


def test_the_page_begins_with_what_matters_most(work_dir, perfect, noise):
    (work_dir / "predictions_val.json").write_text(json.dumps(perfect[1:] + noise))
    text, report, _ = make(work_dir)
    key = text[text.index('<dl class="key">') : text.index("<h2")]
    found = dict(re.findall(r"<div><dt>([^<]*)</dt><dd>([^<]*)</dd>", key))
    assert found["mask AP"] == f"{report['ap']['segm']['mAP']:.3f}"
    assert found["score threshold to use"] == f"{report['score_threshold']['all']['threshold']:g}"
    assert found["right"] == "100 %"
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert headings[:3] == ["Worst classes", "Worst images", "Summary"]
    worst = text[text.index(">Worst images</h2>") : text.index(">Summary</h2>")]
    assert 1 <= worst.count("<figcaption>") <= 6
    assert rows_of(work_dir, "validation")[0].keys() == {"iteration", "mask AP", "box AP"}
