"""Test that pycocotools and our reader read saved predictions, and atomic writing."""

import json

import numpy as np
import pytest
from coco_sets import CATEGORY_IDS, CLASSES, as_predictions, as_samples, by_pycocotools, random_set

from condinst.evaluation import CocoMetric
from condinst.evaluation.prediction_file import read_predictions, write_predictions


@pytest.fixture
def metric(tmp_path):
    """Return a metric with its annotation file, and the detections."""
    content, found = random_set()
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    metric = CocoMetric(str(path), ["bbox", "segm"])
    metric.dataset_meta = {"classes": CLASSES}
    metric.process({}, as_samples(content, found))
    return metric, content, found


def test_pycocotools_finds_the_same_ap_in_the_file(metric, tmp_path):
    metric, content, found = metric
    metric.predictions_file = tmp_path / "predictions.json"
    numbers = metric.evaluate(len(content["images"]))
    saved = json.loads(metric.predictions_file.read_text())
    assert len(saved) == len(found)
    for kind in ("bbox", "segm"):
        expected = by_pycocotools(content, saved, kind)
        assert expected[0] > 0.1
        assert numbers[f"coco/{kind}_mAP"] == pytest.approx(expected[0], abs=5e-4)
    assert list(tmp_path.glob("*.partial")) == []


def test_what_is_read_is_what_was_written(tmp_path):
    content, found = random_set()
    predictions = as_predictions(content, found)
    path = tmp_path / "p.json"
    write_predictions(path, predictions, CATEGORY_IDS)
    read, has_masks = read_predictions(path, CATEGORY_IDS)
    assert has_masks
    written = {p["img_id"]: p for p in predictions if len(p["labels"])}
    assert {p["img_id"] for p in read} == set(written)
    for prediction in read:
        expected = written[prediction["img_id"]]
        np.testing.assert_array_equal(prediction["labels"], expected["labels"])
        np.testing.assert_array_equal(prediction["scores"], expected["scores"])
        np.testing.assert_allclose(prediction["bboxes"], expected["bboxes"])
        assert prediction["masks"] == expected["masks"]
    # only those of some categories, counted in their order
    read, _ = read_predictions(path, CATEGORY_IDS[2:])
    chosen = [d for d in found if d["category_id"] in CATEGORY_IDS[2:]]
    assert sum(len(p["labels"]) for p in read) == len(chosen)
    dogs = sum(d["category_id"] == CATEGORY_IDS[3] for d in chosen)
    assert sum((p["labels"] == 1).sum() for p in read) == dogs > 0


def test_nothing_found_is_an_empty_list(tmp_path):
    path = tmp_path / "p.json"
    write_predictions(path, [], CATEGORY_IDS)
    assert json.loads(path.read_text()) == []
    assert read_predictions(path, CATEGORY_IDS) == ([], True)


def test_boxes_alone(tmp_path):
    path = tmp_path / "p.json"
    prediction = dict(img_id=3, bboxes=np.array([[1, 2, 4, 8.0]]), scores=[0.5], labels=[1])
    write_predictions(path, [prediction], CATEGORY_IDS)
    assert json.loads(path.read_text()) == [
        {"image_id": 3, "category_id": CATEGORY_IDS[1], "bbox": [1, 2, 3, 6], "score": 0.5}
    ]
    (read,), has_masks = read_predictions(path, CATEGORY_IDS)
    assert not has_masks
    assert "masks" not in read


def test_a_full_disk_costs_the_file_not_the_numbers(metric, tmp_path, monkeypatch):
    metric, content, _ = metric
    said = []
    monkeypatch.setattr(
        "mmengine.logging.MMLogger.warning", lambda self, text, *args: said.append(text)
    )
    path = tmp_path / "predictions.json"
    path.write_text("old")
    metric.predictions_file = path

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    numbers = metric.evaluate(len(content["images"]))
    assert numbers["coco/segm_mAP"] > 0.1
    assert any("predictions are not saved" in text and "No space left" in text for text in said)
    assert path.read_text() == "old"
    assert list(tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{", r"p.json: not JSON"),
        ("{}", r"p.json: expected COCO's list of results, got a dict"),
        ('[{"image_id": 1}]', r"p.json: result 0 needs the keys image_id, category_id, bbox"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_predictions(path, CATEGORY_IDS)
    with pytest.raises(FileNotFoundError, match="predictions not found: .*absent.json"):
        read_predictions(tmp_path / "absent.json", CATEGORY_IDS)
