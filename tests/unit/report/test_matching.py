"""Compare pairs of detections and objects with pycocotools and with pairs by hand."""

import numpy as np
import pytest
from report_sets import (
    coco_eval,
    detections_of,
    images_of,
    real_set,
    records_of,
    truth_of,
)

from condinst.report.matching import FREE, IGNORED, compare_images, pair

BOX = [10, 10, 20, 20]


@pytest.mark.parametrize(("iou_type", "cap"), [("bbox", 3), ("segm", 100)])
def test_matches_are_pycocotools_with_crowds_and_a_cap(datasets, iou_type, cap):
    content, found = real_set(datasets, {1, 3, 44, 47, 62, 84})
    run = coco_eval(content, found, iou_type, (1, 2, cap))
    expected = {}  # right, wrong and ignored detections, and what they match, by image and class
    for one in run.evalImgs:
        if one is not None and one["aRng"] == run.params.areaRng[0]:
            matches, ignored = one["dtMatches"][0], one["dtIgnore"][0].astype(bool)
            key = (one["image_id"], one["category_id"])
            expected[key] = sorted(
                (round(score, 6), IGNORED if skip else int(match) or FREE)
                for score, match, skip in zip(one["dtScores"], matches, ignored, strict=True)
            )
    truth, detections = records_of(content, found, iou_type)
    pairing = pair(compare_images(truth, detections, cap), truth, detections)
    ids = {  # of annotations, in the truth's order
        place: annotation["id"] for place, annotation in enumerate(content["annotations"])
    }
    ours = {}
    in_crowd = 0
    looked_at = np.concatenate([p.found for p in compare_images(truth, detections, cap)])
    for place in looked_at:
        key = (
            truth.image_ids[detections.images[place]],
            truth.category_ids[detections.categories[place]],
        )
        object_of = int(pairing.object_of[place])
        in_crowd += object_of == IGNORED
        value = ids[object_of] if object_of >= 0 else object_of
        ours.setdefault(key, []).append((round(float(detections.scores[place]), 6), value))
    assert {key: sorted(rows) for key, rows in ours.items()} == {
        key: rows for key, rows in expected.items() if rows
    }
    assert cap < 100 or in_crowd > 10
    assert len(looked_at) < len(detections) or cap == 100


def test_the_better_scored_detection_gets_the_object_and_crowds_take_the_rest():
    truth = truth_of([(0, 0, BOX), (0, 0, [50, 50, 40, 40], 1)])
    detections = detections_of(
        [
            (0, 0, 0.5, BOX),
            (0, 0, 0.9, [12, 10, 20, 20]),
            (0, 0, 0.4, [55, 55, 10, 10]),
            (0, 0, 0.3, [60, 60, 10, 10]),
            (0, 1, 0.2, [60, 60, 10, 10]),  # a crowd of another class
        ]
    )
    pairing = pair(images_of(truth, detections), truth, detections)
    assert pairing.object_of.tolist() == [FREE, 0, IGNORED, IGNORED, FREE]
    assert pairing.ious[1] == pytest.approx(360 / 440)
    assert pairing.found.tolist() == [True, False]


def test_another_class_can_be_paired_where_classes_do_not_matter():
    truth = truth_of([(0, 0, BOX)])
    detections = detections_of([(0, 1, 0.9, BOX), (0, 0, 0.8, BOX)])
    images = images_of(truth, detections)
    assert pair(images, truth, detections).object_of.tolist() == [FREE, 0]
    any_class = pair(images, truth, detections, same_class=False)
    assert any_class.object_of.tolist() == [0, FREE]


def test_nothing_found_and_nothing_there():
    truth = truth_of([(1, 0, BOX)], num_images=3)
    nothing = detections_of([])
    images = images_of(truth, nothing)
    assert [len(p.objects) for p in images] == [0, 1, 0]
    assert pair(images, truth, nothing).found.tolist() == [False]
    something = detections_of([(2, 0, 0.5, BOX)])
    assert pair(images_of(truth, something), truth, something).object_of.tolist() == [FREE]
