"""Compare both evaluators with pycocotools' summary, to 1e-6, and with numbers by hand."""

import copy
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import CATEGORY_IDS, as_predictions, by_pycocotools, random_set
from pycocotools import mask as coco_mask

from condinst.evaluation import evaluators
from condinst.evaluation.coco_summary import item_names, read_items
from condinst.evaluation.evaluators import choose_backend, evaluate
from condinst.evaluation.matches import gather_detections, read_truth

IOU_THRS = np.linspace(0.5, 0.95, 10)
BACKENDS = ("faster_coco_eval", "pycocotools")
backends = pytest.mark.parametrize("backend", BACKENDS)


def numbers(
    content,
    found,
    iou_type,
    backend,
    *,
    max_dets=(1, 10, 100),
    use_cats=True,
    box_areas=False,
    category_ids=CATEGORY_IDS,
):
    """Return our 12 numbers in pycocotools' order."""
    truth = read_truth(content, category_ids, "truth.json")
    predictions = as_predictions(content, found, list(category_ids))
    detections = gather_detections(predictions, truth, category_ids, iou_type)
    if box_areas:
        detections = replace(detections, areas=detections.boxes[:, 2] * detections.boxes[:, 3])
    curves = evaluate(
        truth,
        detections,
        backend=backend,
        iou_thrs=IOU_THRS,
        max_dets=max_dets,
        use_cats=use_cats,
    )
    return list(read_items(curves, IOU_THRS, max_dets, max_dets[-1]).values())


@backends
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_many_detections_give_pycocotools_numbers(datasets, backend, iou_type):
    """The reference's results hold boxes and masks: pycocotools then sorts masks by box area."""
    folder = datasets / "evaluator"
    content = json.loads((folder / "ground_truth.json").read_text())
    found = json.loads((folder / "detections.json").read_text())
    expected = json.loads((folder / "expected_pycocotools.json").read_text())[iou_type]
    category_ids = [category["id"] for category in content["categories"]]
    ours = numbers(
        content, found, iou_type, backend, box_areas=iou_type == "segm", category_ids=category_ids
    )
    assert len(expected) == 12
    assert ours == pytest.approx(expected, abs=1e-6)


@backends
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(3))
def test_crowds_ties_empty_images_and_classes(backend, iou_type, seed):
    content, found = random_set(seed)
    assert any(a["iscrowd"] for a in content["annotations"])
    expected = by_pycocotools(content, found, iou_type)
    assert expected.min() > 0
    assert numbers(content, found, iou_type, backend) == pytest.approx(expected, abs=1e-6)


def test_categories_are_read_in_the_order_of_their_ids():
    """Whatever order a config names its classes in."""
    annotation = dict(image_id=1, bbox=[0, 0, 4, 4], area=16, iscrowd=0)
    content = dict(
        images=[dict(id=1, height=9, width=9)],
        annotations=[{**annotation, "id": i, "category_id": c} for i, c in ((1, 8), (2, 3))],
    )
    truth = read_truth(content, [8, 3, 5, 8], "truth.json")
    assert truth.category_ids == [3, 5, 8]
    assert truth.categories.tolist() == [2, 0]


@backends
@pytest.mark.parametrize("seed", range(3))
def test_without_classes(backend, seed):
    content, found = random_set(seed)
    expected = by_pycocotools(content, found, "bbox", use_cats=0)
    assert expected[0] != pytest.approx(by_pycocotools(content, found, "bbox")[0], abs=0.01)
    ours = numbers(content, found, "bbox", backend, use_cats=False)
    assert ours == pytest.approx(expected, abs=1e-6)


@backends
def test_caps_that_bite(backend):
    """AP at the largest cap, where pycocotools has one of 100 to read it at."""
    content, found = random_set(num_images=3, per_image=60, num_found=400)
    per_class = [sum(d["category_id"] == c for d in found) / 2 for c in CATEGORY_IDS]
    assert max(per_class) > 100
    expected = by_pycocotools(content, found, "segm", max_dets=(2, 20, 100))
    ours = numbers(content, found, "segm", backend, max_dets=(2, 20, 100))
    assert ours == pytest.approx(expected, abs=1e-6)


def squares(count, first_id=1):
    """Return one image with ``count`` squares of 4 x 4 pixels, all found exactly."""
    boxes = [[10 * (i % 20), 10 * (i // 20), 4, 4] for i in range(count)]
    content = dict(
        images=[dict(id=1, height=200, width=200)],
        categories=[dict(id=1, name="square")],
        annotations=[
            dict(id=i + first_id, image_id=1, category_id=1, bbox=box, area=16, iscrowd=0)
            for i, box in enumerate(boxes)
        ],
    )
    found = []
    for i, (x, y, width, height) in enumerate(boxes):
        start = 200 * x + y
        counts = [start, *([height, 200 - height] * width)[:-1]]
        counts.append(200 * 200 - sum(counts))
        content["annotations"][i]["segmentation"] = dict(size=[200, 200], counts=counts)
        rle = coco_mask.frPyObjects(dict(size=[200, 200], counts=counts), 200, 200)
        found.append(
            dict(image_id=1, category_id=1, bbox=boxes[i], score=1 - i / 1000, segmentation=rle)
        )
    return content, found


@backends
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_150_squares_all_found(backend, iou_type):
    """By hand: AP and recall are 1 at 150; one of 150 is recalled at 1, 10 of 150 at 10.

    No square is of medium or large area. pycocotools has no cap of 100 to read AP at: -1.
    """
    content, found = squares(150)
    assert by_pycocotools(content, found, iou_type, max_dets=(1, 10, 150))[0] == -1
    ours = numbers(content, found, iou_type, backend, max_dets=(1, 10, 150), category_ids=(1,))
    assert ours == pytest.approx([1, 1, 1, 1, -1, -1, 1 / 150, 10 / 150, 1, 1, -1, -1])
    assert item_names((1, 10, 150))[6:] == (
        *("AR@1", "AR@10", "AR@150"),
        *("AR_s@150", "AR_m@150", "AR_l@150"),
    )


@backends
def test_an_annotation_of_id_0_is_found_like_any_other(backend):
    """pycocotools takes the id for "not matched" and loses the object."""
    content, found = squares(1, first_id=0)
    assert by_pycocotools(content, found, "bbox")[0] == 0
    assert numbers(content, found, "bbox", backend, category_ids=(1,))[0] == pytest.approx(1)


@backends
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_nothing_found_is_0_and_nothing_to_find_is_minus_1(backend, iou_type):
    content, found = squares(3)
    ours = numbers(content, [], iou_type, backend, category_ids=(1,))
    assert ours == [0, 0, 0, 0, -1, -1, 0, 0, 0, 0, -1, -1]
    content["annotations"] = []
    assert numbers(content, found, iou_type, backend, category_ids=(1,)) == [-1] * 12


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_nothing_given_is_changed(iou_type):
    content, found = random_set()
    truth = read_truth(content, CATEGORY_IDS, "truth.json")
    detections = gather_detections(as_predictions(content, found), truth, CATEGORY_IDS, iou_type)
    before = copy.deepcopy((content, detections))
    for backend in BACKENDS:
        evaluate(truth, detections, backend=backend, iou_thrs=IOU_THRS, max_dets=[100])
    np.testing.assert_equal(content, before[0])
    np.testing.assert_equal(vars(detections), vars(before[1]))


@pytest.fixture
def without_faster_coco_eval(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    evaluators._why_not_faster.cache_clear()
    yield
    evaluators._why_not_faster.cache_clear()


def test_auto_takes_faster_coco_eval():
    assert choose_backend("auto") == "faster_coco_eval"


def test_auto_falls_back_and_says_so_once(without_faster_coco_eval, monkeypatch):
    said = []
    monkeypatch.setattr(evaluators, "print_log", lambda message, **_: said.append(message))
    assert [choose_backend("auto") for _ in range(2)] == ["pycocotools"] * 2
    assert len(said) == 1
    assert "pycocotools" in said[0]


def test_a_missing_backend_asked_for_by_name(without_faster_coco_eval):
    with pytest.raises(ImportError, match="pip install faster-coco-eval"):
        choose_backend("faster_coco_eval")


def test_an_unknown_backend():
    with pytest.raises(ValueError, match="backend must be one of .*, got 'fast'"):
        choose_backend("fast")


@backends
def test_objects_without_a_mask_are_left_out_of_mask_ap(backend):
    """One object with a mask, one without; a detection of each, and one elsewhere.

    Of boxes: two right, one wrong. By score 0.9 (without a mask), 0.8 (elsewhere), 0.7 (with a
    mask): precision is 1 up to recall 0.5, then 2/3; 51 of 101 recalls are 1, the others 2/3. Of
    masks: the first detection lies in the box of the object that is left out, so that one wrong
    and one right are left, in this order: 1/2.
    """
    square = [[10.0, 10, 30, 10, 30, 30, 10, 30]]
    common = dict(image_id=1, category_id=1, area=400.0, iscrowd=0)
    content = dict(
        images=[dict(id=1, file_name="a.png", height=60, width=80)],
        categories=[dict(id=1, name="cat")],
        annotations=[
            dict(common, id=1, bbox=[10.0, 10, 20, 20], segmentation=square),
            dict(common, id=2, bbox=[40.0, 30, 20, 20], segmentation=[]),
        ],
    )
    boxes = np.array([[40.0, 30, 60, 50], [60, 5, 75, 20], [10, 10, 30, 30]])
    bitmaps = np.zeros((3, 60, 80), np.uint8)
    bitmaps[0, 33:48, 42:58] = bitmaps[1, 5:20, 60:75] = bitmaps[2, 10:30, 10:30] = 1
    masks = [coco_mask.encode(np.asfortranarray(bitmap)) for bitmap in bitmaps]
    prediction = dict(img_id=1, bboxes=boxes, labels=np.zeros(3, int), masks=masks)
    prediction["scores"] = np.array([0.9, 0.8, 0.7])
    truth = read_truth(content, [1], "truth.json")
    left = truth.for_masks()
    assert left.crowds.tolist() == [False, True]
    assert truth.crowds.tolist() == [False, False]
    for iou_type, objects, expected in (
        ("bbox", truth, (51 + 50 * 2 / 3) / 101),
        ("segm", left, 0.5),
    ):
        found = gather_detections([prediction], objects, [1], iou_type)
        curves = evaluate(objects, found, backend=backend, iou_thrs=IOU_THRS, max_dets=[1, 10, 100])
        ap = read_items(curves, IOU_THRS, [1, 10, 100], 100)["mAP"]
        assert ap == pytest.approx(expected)
