"""The metric on a small COCO file: values by hand, and label maps of the same objects."""

import json

import numpy as np
import pytest
import torch
from label_maps import label_map_pair
from pycocotools import mask as coco_mask

from condinst.evaluation import Matches, MatchingMetric, match_label_maps
from condinst.evaluation.matched_images import best_score_thr, compare
from condinst.masks.crop import Crop
from condinst.registry import METRICS

SIZE = (20, 30)


def rectangle(y1, y2, x1, x2, size=SIZE):
    mask = np.zeros(size, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def rle(mask):
    made = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": made["size"], "counts": made["counts"].decode()}


def write(path, images):
    """Write a COCO file; ``images`` is a list of lists of (mask, category id, is a crowd)."""
    content = {"images": [], "annotations": [], "categories": [dict(id=4, name="a")]}
    content["categories"].append(dict(id=9, name="b"))
    for number, objects in enumerate(images, 1):
        size = objects[0][0].shape if objects else SIZE
        content["images"].append(
            dict(id=number, file_name=f"{number}.png", height=size[0], width=size[1])
        )
        for mask, category, crowd in objects:
            content["annotations"].append(
                dict(
                    id=len(content["annotations"]) + 1,
                    image_id=number,
                    category_id=category,
                    iscrowd=crowd,
                    area=int(mask.sum()),
                    bbox=coco_mask.toBbox(rle(mask)).tolist(),
                    segmentation=rle(mask),
                )
            )
    path.write_text(json.dumps(content))
    return str(path)


def sample(image, masks, scores, labels=None, size=SIZE):
    masks = np.array(masks, bool).reshape(-1, *size)
    labels = np.zeros(len(masks), int) if labels is None else labels
    found = dict(
        masks=torch.from_numpy(masks),
        scores=torch.tensor(scores, dtype=torch.float32),
        labels=torch.as_tensor(labels),
        bboxes=torch.zeros(len(masks), 4),
    )
    return dict(img_id=image, ori_shape=size, pred_instances=found)


def measure(metric, samples):
    metric.dataset_meta = dict(classes=("a", "b"))
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_of_configs():
    assert METRICS.get("MatchingMetric") is MatchingMetric
    assert METRICS.get("condinst.MatchingMetric") is MatchingMetric


def test_numbers_by_hand(tmp_path):
    """One object found, one missed, one detection wrong; in a second image all is right."""
    left, right, low = rectangle(0, 10, 0, 10), rectangle(0, 10, 15, 25), rectangle(12, 20, 0, 10)
    path = write(tmp_path / "a.json", [[(left, 4, 0), (right, 4, 0)], [(low, 4, 0)]])
    samples = [
        sample(1, [rectangle(0, 10, 0, 8), low, left], [0.9, 0.5, 0.1]),  # IoU 0.8
        sample(2, [low], [0.7]),
    ]
    numbers = measure(MatchingMetric(path, iou_thrs=[0.5, 0.9]), samples)
    assert numbers["matching/ap_50"] == pytest.approx(2 / 4)
    assert numbers["matching/ap_90"] == pytest.approx(1 / 5)
    assert numbers["matching/ap"] == pytest.approx(0.35)
    assert numbers["matching/image_ap_50"] == pytest.approx((1 / 3 + 1) / 2)
    assert numbers["matching/precision_50"] == numbers["matching/recall_50"] == pytest.approx(2 / 3)
    assert numbers["matching/pq_50"] == pytest.approx(1.8 / 3)
    assert numbers["matching/score_thr"] == 0.3


def test_masks_as_rle_of_text_or_bytes(tmp_path):
    mask = rectangle(0, 10, 0, 10)
    path = write(tmp_path / "a.json", [[(mask, 4, 0)]])
    text = rle(mask)
    for one in (text, {**text, "counts": text["counts"].encode()}):
        found = sample(1, [mask], [0.9])
        found["pred_instances"]["masks"] = [one]
        assert measure(MatchingMetric(path), [found])["matching/ap"] == 1


def test_a_pixel_belongs_to_the_higher_score(tmp_path):
    """The second detection keeps 4 of 10 columns: it is right only where it is visible."""
    path = write(tmp_path / "a.json", [[(rectangle(0, 10, 6, 10), 4, 0)]])
    masks = [rectangle(0, 10, 0, 10), rectangle(0, 10, 0, 6)]
    assert measure(MatchingMetric(path), [sample(1, masks, [0.5, 0.9])])["matching/ap_50"] == 0.5
    assert measure(MatchingMetric(path), [sample(1, masks, [0.9, 0.5])])["matching/ap_50"] == 0
    strict = MatchingMetric(path, min_visible=0.5)
    assert measure(strict, [sample(1, masks, [0.5, 0.9])])["matching/ap_50"] == 0
    assert strict.results == []


def test_equals_the_matching_of_label_maps(tmp_path):
    pairs = [label_map_pair(case) for case in range(12)]
    objects = [[(t == n, 4, 0) for n in np.unique(t)[1:]] for t, _ in pairs]
    # an image without objects has no size in write(): its map replaces it
    write(tmp_path / "a.json", objects)
    content = json.loads((tmp_path / "a.json").read_text())
    for image, (truth, _) in zip(content["images"], pairs, strict=True):
        image["height"], image["width"] = truth.shape
    (tmp_path / "a.json").write_text(json.dumps(content))
    samples = []
    for number, (_, found) in enumerate(pairs, 1):
        masks = [found == n for n in np.unique(found) if n]
        scores = np.linspace(0.9, 0.4, len(masks))
        samples.append(sample(number, masks, scores, size=found.shape))
    thresholds = [0.3, 0.5, 0.75]
    numbers = measure(MatchingMetric(str(tmp_path / "a.json"), iou_thrs=thresholds), samples)
    parts = [match_label_maps(*pair, thresholds) for pair in pairs]
    total = Matches.sum(parts, 3)
    assert 0.1 < total.ap[1] < 0.9
    for name in ("ap", "precision", "recall", "f1", "pq"):
        ours = [numbers[f"matching/{name}_{t}"] for t in (30, 50, 75)]
        assert ours == pytest.approx(getattr(total, name).tolist(), rel=1e-12)
    mean = np.mean([part.ap for part in parts], axis=0)
    assert [numbers[f"matching/image_ap_{t}"] for t in (30, 50, 75)] == pytest.approx(mean)


def test_classes_match_within_themselves(tmp_path):
    mask = rectangle(0, 10, 0, 10)
    path = write(tmp_path / "a.json", [[(mask, 9, 0)]])
    wrong = measure(MatchingMetric(path), [sample(1, [mask], [0.9], [0])])
    right = measure(MatchingMetric(path), [sample(1, [mask], [0.9], [1])])
    assert (wrong["matching/ap_50"], right["matching/ap_50"]) == (0, 1)


def test_crowds(tmp_path):
    """A detection in a crowd is not counted, unless it is on an object."""
    crowd, mask = rectangle(0, 20, 0, 20), rectangle(0, 10, 0, 10)
    path = write(tmp_path / "a.json", [[(mask, 4, 0), (crowd, 4, 1)]])
    inside, outside = rectangle(10, 20, 10, 20), rectangle(0, 10, 16, 30)
    numbers = measure(MatchingMetric(path), [sample(1, [mask, inside, outside], [0.9, 0.8, 0.7])])
    assert numbers["matching/precision_50"] == pytest.approx(1 / 2)  # outside is wrong
    assert numbers["matching/recall_50"] == 1


def test_best_score_is_the_middle_of_the_best_range(tmp_path):
    mask, wrong = rectangle(0, 10, 0, 10), rectangle(12, 20, 0, 10)
    path = write(tmp_path / "a.json", [[(mask, 4, 0)]])
    numbers = measure(
        MatchingMetric(path, score_thr="best"), [sample(1, [mask, wrong], [0.805, 0.405])]
    )
    assert numbers["matching/score_thr"] == pytest.approx(0.60)  # 0.41 to 0.80
    assert numbers["matching/ap"] == 1
    crops = [Crop.of(m) for m in (mask, wrong)]
    nothing = compare([], np.zeros(0), [], crops, np.zeros(2), np.array([0.9, 0.8]), SIZE)
    assert best_score_thr([nothing], [0.5]) is None


def test_nothing_found_and_nothing_there(tmp_path):
    path = write(tmp_path / "a.json", [[(rectangle(0, 5, 0, 5), 4, 0)], []])
    numbers = measure(
        MatchingMetric(path, score_thr="best"), [sample(1, [], []), sample(2, [], [])]
    )
    assert set(numbers.values()) == {0.0, 0.3}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (dict(iou_thrs=[0.5, 1.2]), "iou_thrs must be numbers above 0 and up to 1"),
        (dict(iou_thrs=[]), "iou_thrs must be"),
        (dict(score_thr=2), "score_thr must be from 0 to 1"),
        (dict(score_thr="good"), 'or "best", got .good'),
        (dict(min_visible=-1), "min_visible must be from 0 to 1"),
    ],
)
def test_settings_that_are_refused(tmp_path, keys, message):
    path = write(tmp_path / "a.json", [[]])
    with pytest.raises(ValueError, match=message):
        MatchingMetric(path, **keys)


def test_predictions_that_do_not_fit(tmp_path):
    path = write(tmp_path / "a.json", [[(rectangle(0, 5, 0, 5), 4, 0)]])
    other = sample(1, [rectangle(0, 5, 0, 5, (10, 10))], [0.9], size=(10, 10))
    with pytest.raises(ValueError, match=r"size \[10, 10\] .* has \[20, 30\]"):
        measure(MatchingMetric(path), [other])
    with pytest.raises(ValueError, match="no image with the id 7"):
        measure(MatchingMetric(path), [sample(7, [], [])])
    boxes = sample(1, [], [])
    del boxes["pred_instances"]["masks"]
    with pytest.raises(ValueError, match="no masks"):
        measure(MatchingMetric(path), [boxes])
