"""Test the recall of proposals."""

import copy

import pytest
import torch
from coco_sets import as_samples, measured, random_set, write
from mmdet.evaluation import CocoMetric as MmdetCocoMetric

from condinst.evaluation import CocoMetric


@pytest.mark.parametrize("keys", [{}, dict(iou_thrs=[0.4, 0.7], proposal_nums=(2, 20))], ids=str)
def test_recall_of_proposals_is_mmdets(tmp_path, keys):
    """On images of as many objects and detections: others mmdet cannot read on today's numpy."""
    content, found = random_set(num_images=8)
    for image in content["images"][:2]:
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] != image["id"]]
        found = [d for d in found if d["image_id"] != image["id"]]
    del content["images"][:2]
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 0
        annotation["bbox"][0] += 0.123  # no IoU is a threshold, which float32 would misjudge
    samples = as_samples(content, sorted(found, key=lambda d: -d["score"]))
    keys = dict(keys, metric="proposal_fast")
    ann_file = write(tmp_path, content)
    expected = measured(MmdetCocoMetric(ann_file, **keys), copy.deepcopy(samples))
    assert max(expected.values()) > 0.2
    assert measured(CocoMetric(ann_file, **keys), samples) == pytest.approx(expected)


def test_recall_of_proposals_by_hand(data):
    """Of two objects, beside a crowd, one is found with IoU 0.81 by the better box."""
    metric = CocoMetric(data[0], metric="proposal_fast", proposal_nums=(1, 5))
    content = dict(
        images=[dict(id=1, height=50, width=50), dict(id=2, height=50, width=50)],
        categories=[dict(id=3, name="ant")],
        annotations=[
            dict(id=i, image_id=1, category_id=3, bbox=box, area=100, iscrowd=crowd)
            for i, box, crowd in [
                (1, [0, 0, 10, 10], 0),
                (2, [30, 30, 10, 10], 0),
                (3, [0, 0, 50, 50], 1),
            ]
        ],
    )
    metric._coco_api.dataset = content
    metric._coco_api.createIndex()
    boxes = torch.tensor([[0.0, 0.0, 10.0, 6.0], [0.0, 0.0, 10.0, 8.1], [5.0, 40.0, 6.0, 41.0]])
    found = dict(bboxes=boxes, scores=torch.tensor([0.3, 0.9, 0.5]), labels=torch.zeros(3).int())
    nothing = {key: value[:0] for key, value in found.items()}
    samples = [
        dict(img_id=1, ori_shape=(50, 50), pred_instances=found),
        dict(img_id=2, ori_shape=(50, 50), pred_instances=nothing),
    ]
    # at seven of the ten thresholds, 0.5, 0.55, ... 0.8
    assert measured(metric, samples, classes=("ant",)) == pytest.approx(
        {"coco/AR@1": 0.5 * 7 / 10, "coco/AR@5": 0.5 * 7 / 10}
    )
