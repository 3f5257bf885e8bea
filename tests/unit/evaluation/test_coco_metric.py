"""Compare the metric with mmdet's on the same predictions, and test deliberate differences."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from coco_sets import CATEGORY_IDS, CLASSES, as_samples, by_pycocotools, measured, random_set, write
from mmdet.evaluation import CocoMetric as MmdetCocoMetric
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import DefaultScope
from pycocotools import mask as coco_mask

from condinst.evaluation import CocoMetric
from condinst.registry import METRICS

BACKENDS = ("faster_coco_eval", "pycocotools")
backends = pytest.mark.parametrize("backend", BACKENDS)
BOTH = ["bbox", "segm"]


@pytest.fixture
def logged(monkeypatch):
    """Return the logged (level, message) pairs."""
    lines = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, "handle", lambda r: lines.append((r.levelname, r.getMessage())))
    return lines


@backends
@pytest.mark.parametrize(
    "keys",
    [
        dict(metric=BOTH),
        dict(metric=BOTH, format_only=False, file_client_args=None, backend_args=None),
        dict(metric=BOTH, classwise=True),
        dict(metric="bbox", metric_items=["mAP_50", "AR@300", "AR_s@1000"]),
        dict(metric="segm", proposal_nums=(100, 1, 10), collect_device="cpu", prefix="shapes"),
        dict(metric="bbox", iou_thrs=np.array([0.5, 0.6, 0.75])),
        dict(metric="proposal"),
        dict(metric="proposal", metric_items=["AR@100", "AR_m@1000"], sort_categories=True),
    ],
    ids=str,
)
def test_mmdets_keys_give_mmdets_numbers(data, backend, keys):
    ann_file, _, samples = data
    expected = measured(MmdetCocoMetric(ann_file, **keys), copy.deepcopy(samples))
    assert max(expected.values()) > 0.1
    ours = measured(CocoMetric(ann_file, backend=backend, **keys), samples)
    assert list(ours) == list(expected)
    assert ours == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert all(isinstance(value, float) for value in ours.values())


def test_mmdets_parallel_evaluation_and_its_single_number(data):
    """``use_mp_eval`` and one number in ``proposal_nums``, as in mmdet's V3Det configs."""
    ann_file, _, samples = data
    keys = dict(metric="bbox", proposal_nums=[300])
    expected = measured(MmdetCocoMetric(ann_file, use_mp_eval=True, **keys), copy.deepcopy(samples))
    ours = measured(CocoMetric(ann_file, use_mp_eval=True, **keys), samples)
    assert ours == pytest.approx(expected, abs=1e-9)


def test_thresholds_as_a_list(data):
    """mmdet's documentation has a list, its code needs an array."""
    ann_file, _, samples = data
    thrs = [0.5, 0.6, 0.75]
    expected = measured(MmdetCocoMetric(ann_file, iou_thrs=np.array(thrs)), copy.deepcopy(samples))
    assert measured(CocoMetric(ann_file, iou_thrs=thrs), samples) == pytest.approx(expected)


def test_a_single_threshold_may_be_a_number(data):
    """mmdet documents a number too, and fails on it."""
    ann_file, _, samples = data
    numbers = measured(CocoMetric(ann_file, iou_thrs=0.5), samples)
    assert numbers["coco/bbox_mAP"] == numbers["coco/bbox_mAP_50"] > 0.1
    assert numbers["coco/bbox_mAP_75"] == -1


@backends
def test_rle_is_taken_as_it_is_and_bitmaps_are_never_kept(data, backend):
    ann_file, found, samples = data
    content = json.loads(Path(ann_file).read_text())
    rle = as_samples(content, found, bitmaps=False)
    expected = [sample["pred_instances"]["masks"] for sample in rle]
    before = copy.deepcopy(expected)
    metric = CocoMetric(ann_file, metric="segm", backend=backend)
    metric.process({}, rle)
    kept = [result["masks"] for _, result in metric.results]
    assert kept == before
    metric.results.clear()
    metric.process({}, samples)
    assert all(
        set(mask) == {"size", "counts"} and isinstance(mask["counts"], bytes)
        for _, result in metric.results
        for mask in result["masks"]
    )
    metric.results.clear()
    assert measured(metric, rle) == measured(metric, samples)


def test_the_scores_of_masks_count_for_masks_alone(data):
    ann_file, _, samples = data
    samples = copy.deepcopy(samples)
    for sample in samples:
        instances = sample["pred_instances"]
        instances["mask_scores"] = 1 - instances["scores"]
    expected = measured(MmdetCocoMetric(ann_file, metric=BOTH), copy.deepcopy(samples))
    assert measured(CocoMetric(ann_file, metric=BOTH), samples) == pytest.approx(expected)
    without = measured(CocoMetric(ann_file, metric="segm"), data[2])
    assert expected["coco/segm_mAP"] != pytest.approx(without["coco/segm_mAP"], abs=0.01)


def test_a_second_evaluation_gives_the_same(data):
    ann_file, _, samples = data
    metric = CocoMetric(ann_file, metric=BOTH)
    first = measured(metric, samples)
    assert measured(metric, samples) == first


def crowded(tmp_path, count=120):
    """Return an image with ``count`` squares in rows, each found exactly."""
    boxes = [[6 * (i % 40), 6 * (i // 40), 4, 4] for i in range(count)]
    content, found = random_set(num_images=1, num_found=0)
    image_id = content["images"][0]["id"]
    for i, (x, y, width, height) in enumerate(boxes):
        mask = np.zeros((180, 240), np.uint8, order="F")
        mask[y : y + height, x : x + width] = 1
        rle = coco_mask.encode(mask)
        rle["counts"] = rle["counts"].decode()
        annotation = dict(
            image_id=image_id, category_id=3, bbox=boxes[i], segmentation=rle, area=16, iscrowd=0
        )
        content["annotations"].append(dict(annotation, id=i + 1))
        found.append(dict(annotation, score=1 - i / 1000))
    return write(tmp_path, content), as_samples(content, found)


@backends
def test_more_than_100_detections_of_a_class(tmp_path, backend, logged):
    """By hand, 120 objects of a class all found: at 100 detections the recall is 100 / 120.

    The interpolated precision is 1 at the recalls 0, 0.01, ... 0.83: at 84 of 101. The default is
    mmdet's, which reads only "mAP" at 100; other caps are read at the largest.
    """
    ann_file, samples = crowded(tmp_path)
    by_mmdet = measured(MmdetCocoMetric(ann_file, metric=BOTH), copy.deepcopy(samples))
    ours = measured(CocoMetric(ann_file, metric=BOTH, backend=backend), samples)
    assert ours == by_mmdet
    assert ours["coco/segm_mAP"] == round(84 / 101, 3)
    assert ours["coco/segm_mAP_50"] == 1
    assert any("up to 120" in message for level, message in logged if level == "WARNING")
    logged.clear()
    ours = measured(
        CocoMetric(ann_file, metric=BOTH, proposal_nums=(1, 10, 120), backend=backend), samples
    )
    assert ours["coco/segm_mAP"] == ours["coco/bbox_mAP"] == 1
    assert not [message for level, message in logged if level == "WARNING"]


@backends
def test_no_detection_at_all_is_an_ap_of_0(data, backend, logged):
    """mmdet returns no number, on which ``save_best="coco/segm_mAP"`` fails with a KeyError."""
    ann_file, _, samples = data
    empty = copy.deepcopy(samples)
    for sample in empty:
        instances = sample["pred_instances"]
        sample["pred_instances"] = {key: value[:0] for key, value in instances.items()}
    assert measured(MmdetCocoMetric(ann_file, metric=BOTH), copy.deepcopy(empty)) == {}
    ours = measured(CocoMetric(ann_file, metric=BOTH, backend=backend), empty)
    assert list(ours) == list(measured(CocoMetric(ann_file, metric=BOTH), samples))
    assert set(ours.values()) == {0.0}
    assert sum("no detection" in message for level, message in logged if level == "WARNING") == 2


@backends
def test_classes_that_the_file_lacks(tmp_path, backend, logged):
    """Their detections count nowhere, and the labels after them keep their classes."""
    content, found = random_set()
    samples = as_samples(content, found)
    gone = CATEGORY_IDS[1]
    content["categories"] = [c for c in content["categories"] if c["id"] != gone]
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] != gone]
    found = [d for d in found if d["category_id"] != gone]
    ours = measured(CocoMetric(write(tmp_path, content), metric=BOTH, backend=backend), samples)
    for kind in BOTH:
        expected = by_pycocotools(content, found, kind)
        assert expected[0] > 0.1
        assert ours[f"coco/{kind}_mAP"] == pytest.approx(expected[0], abs=5.1e-4)
    assert any(CLASSES[1] in message for level, message in logged if level == "WARNING")


@backends
def test_categories_in_another_order_than_their_ids(tmp_path, backend):
    """mmdet's table names the classes in the file's order and counts them in that of the ids."""
    content, found = random_set()
    content["categories"].reverse()
    labels = tuple(reversed(CATEGORY_IDS))
    samples = as_samples(content, found, labels)
    metric = CocoMetric(write(tmp_path, content), classwise=True, backend=backend)
    ours = measured(metric, samples, classes=CLASSES[::-1])
    for category_id, name in zip(CATEGORY_IDS[:3], CLASSES[:3], strict=True):
        alone = copy.deepcopy(content)
        alone["annotations"] = [
            a for a in content["annotations"] if a["category_id"] == category_id
        ]
        own = [d for d in found if d["category_id"] == category_id]
        expected = by_pycocotools(alone, own, "bbox")[0]
        assert ours[f"coco/{name}_precision"] == pytest.approx(expected, abs=5.1e-4)
    assert np.isnan(ours["coco/dog_precision"])


def test_ground_truth_from_the_dataset(data):
    """Without ``ann_file``, from the samples' instances."""
    ann_file, _, samples = data
    content = json.loads(Path(ann_file).read_text())
    samples = copy.deepcopy(samples)
    for sample in samples:
        own = [a for a in content["annotations"] if a["image_id"] == sample["img_id"]]
        sample["instances"] = [
            dict(
                bbox=[*a["bbox"][:2], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3]],
                bbox_label=CATEGORY_IDS.index(a["category_id"]),
                ignore_flag=a["iscrowd"],
                mask=a["segmentation"],
            )
            for a in own
        ]
    expected = measured(MmdetCocoMetric(metric=BOTH), copy.deepcopy(samples))
    assert expected["coco/segm_mAP"] > 0.1
    assert measured(CocoMetric(metric=BOTH), samples) == pytest.approx(expected)


def test_files_are_written_where_asked_for(data, tmp_path):
    ann_file, _, samples = data
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    keys = dict(metric=BOTH, format_only=True)
    metrics = {"theirs": MmdetCocoMetric, "ours": CocoMetric}
    for name, kind in metrics.items():
        metric = kind(ann_file, outfile_prefix=str(tmp_path / name / "test"), **keys)
        assert measured(metric, copy.deepcopy(samples)) == {}
    for file in ("test.bbox.json", "test.segm.json"):
        written = [json.loads((tmp_path / name / file).read_text()) for name in metrics]
        assert written[0] == written[1]
        assert len(written[0]) > 100
    both = CocoMetric(ann_file, metric=BOTH, outfile_prefix=str(tmp_path / "ours" / "again"))
    assert measured(both, samples) == measured(CocoMetric(ann_file, metric=BOTH), samples)
    assert (tmp_path / "ours" / "again.segm.json").exists()


def test_what_is_evaluated_is_logged(data, logged):
    ann_file, found, samples = data
    measured(CocoMetric(ann_file, metric=BOTH), samples)
    messages = [message for _, message in logged]
    for kind in BOTH:
        (start,) = [m for m in messages if m.startswith(f"Evaluating {kind} ")]
        assert f"{len(found)} detections on 6 images" in start
        assert any(m.startswith(f"{kind} took ") for m in messages)
    assert len(messages) == 6


def test_configs_get_ours_in_our_scope_and_mmdets_in_mmdets(data):
    config = Config(dict(type="CocoMetric", ann_file=data[0], metric=BOTH))
    assert type(METRICS.build(config)) is CocoMetric
    for scope, name, kind in [
        ("condinst", "CocoMetric", CocoMetric),
        ("mmdet", "CocoMetric", MmdetCocoMetric),
        ("mmdet", "condinst.CocoMetric", CocoMetric),
    ]:
        with DefaultScope.overwrite_default_scope(scope):
            assert type(MMENGINE_METRICS.build(Config(dict(config, type=name)))) is kind


def test_recalls_are_named_by_their_numbers(tmp_path):
    """mmdet calls them AR@100, AR@300 and AR@1000 whatever ``proposal_nums`` says."""
    ann_file, samples = crowded(tmp_path)
    ours = measured(CocoMetric(ann_file, metric="proposal", proposal_nums=(12, 120)), samples)
    assert ours == {
        "coco/AR@12": 0.1,
        "coco/AR@120": 1,
        "coco/AR_s@120": 1,
        "coco/AR_m@120": -1,
        "coco/AR_l@120": -1,
    }
