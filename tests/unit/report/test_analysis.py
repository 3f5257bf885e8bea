"""Test the analysis of many objects."""

import json

import pytest


def test_more_objects_than_pycocotools_can_count_at_once(tmp_path):
    """300 masks of one image: pycocotools 2.0.11 on numpy 2 fails on some lists from 256 on."""
    import numpy as np
    from pycocotools import mask as coco_mask

    from condinst.evaluation.matches import read_truth
    from condinst.report.analysis import analyze
    from condinst.report.evaluated_split import EvaluatedSplit

    annotations = []
    for i in range(300):
        mask = np.zeros((120, 120), np.uint8, order="F")
        y, x = i // 20 * 6, i % 20 * 6
        mask[y : y + 4, x : x + 4] = 1
        rle = coco_mask.encode(mask)
        segmentation = dict(size=[120, 120], counts=rle["counts"].decode())
        annotations.append(
            dict(
                id=i + 1,
                image_id=1,
                category_id=1,
                bbox=[x, y, 4, 4],
                area=16,
                iscrowd=0,
                segmentation=segmentation,
            )
        )
    content = dict(
        images=[dict(id=1, height=120, width=120, file_name="a.png")],
        categories=[dict(id=1, name="a")],
        annotations=annotations,
    )
    path = tmp_path / "p.json"
    keys = ("image_id", "category_id", "bbox", "segmentation")
    path.write_text(json.dumps([{k: a[k] for k in keys} | {"score": 0.5} for a in annotations]))
    truth = read_truth(content, [1], "a.json")
    split = EvaluatedSplit(
        *("a.json", "", ["a.png"], truth, ["a"], ["segm"]),
        iou_thrs=np.linspace(0.5, 0.95, 10),
        max_dets=[1, 10, 400],
        cap_of_map=400,
    )
    found = analyze(split, path)
    assert found.accuracy["segm"].items["mAP"] == pytest.approx(1)
    assert found.confusion.tolist() == [[300, 0], [0, 0]]
    assert found.images[0].right == 300
