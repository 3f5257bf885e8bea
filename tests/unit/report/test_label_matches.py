"""One-to-one matches from saved predictions: equal to the metric's, at the best threshold."""

import copy

import pytest
from coco_sets import CLASSES, as_samples, measured, random_set, write

from condinst.evaluation import MatchingMetric
from condinst.evaluation.matches import gather_detections, read_truth
from condinst.evaluation.prediction_file import read_predictions, write_predictions
from condinst.report.label_matches import measure


def test_equals_the_metric(tmp_path):
    content, found = random_set()
    samples = as_samples(content, found)
    settings = dict(iou_thrs=[0.3, 0.5, 0.75], min_visible=0.2)
    metric = MatchingMetric(write(tmp_path, content), score_thr="best", **settings)
    numbers = measured(metric, copy.deepcopy(samples))
    assert 0.05 < numbers["matching/ap"] < 1

    ids = [category["id"] for category in content["categories"]]
    assert len(ids) == len(CLASSES)
    truth = read_truth(content, ids, "a.json")
    detections = _detections(tmp_path, truth, samples)
    ours = measure(truth, detections, settings)
    assert ours.threshold == numbers["matching/score_thr"]
    for name in ("ap", "image_ap", "precision", "recall", "f1", "pq"):
        expected = [numbers[f"matching/{name}_{t}"] for t in (30, 50, 75)]
        assert getattr(ours, name) == pytest.approx(expected, rel=1e-12)


def _detections(tmp_path, truth, samples):
    from condinst.evaluation.mask_encoding import encode_masks

    rows = []
    for sample in samples:
        found = sample["pred_instances"]
        rows.append(
            dict(
                img_id=sample["img_id"],
                bboxes=found["bboxes"].numpy(),
                scores=found["scores"].numpy(),
                labels=found["labels"].numpy(),
                masks=encode_masks(found["masks"]),
            )
        )
    path = tmp_path / "predictions.json"
    write_predictions(path, rows, truth.category_ids)
    predictions, _ = read_predictions(path, truth.category_ids)
    return gather_detections(predictions, truth, truth.category_ids, "segm")


def test_settings_and_boxes_that_do_not_fit(tmp_path):
    content, found = random_set(num_images=3)
    ids = [category["id"] for category in content["categories"]]
    truth = read_truth(content, ids, "a.json")
    detections = _detections(tmp_path, truth, as_samples(content, found))
    with pytest.raises(ValueError, match="min_visible must be from 0 to 1"):
        measure(truth, detections, dict(min_visible=3))
    boxes = type(detections)(**{**vars(detections), "masks": None})
    with pytest.raises(ValueError, match="no masks"):
        measure(truth, boxes, {})
