"""Compare kinds of errors and their costs with calculations by hand and with tidecv."""

import numpy as np
import pytest
from report_sets import coco_eval, detections_of, images_of, real_set, records_of, truth_of

from condinst.report.error_kinds import KINDS, average_precision, find_error_kinds
from condinst.report.matching import compare_images

BOX, FAR = [10, 10, 20, 20], [60, 60, 20, 20]
HALF = [20, 10, 20, 20]  # IoU 1/3 with BOX


def kinds_of(objects, rows, **sizes):
    truth, detections = truth_of(objects, **sizes), detections_of(rows)
    return find_error_kinds(images_of(truth, detections), truth, detections)


def only(found):
    """Return the kind of the single error and its gain."""
    (kind,) = [kind for kind, count in found.counts.items() if count]
    assert found.counts[kind] == 1
    assert all(gain == 0 for name, gain in found.gains.items() if name != kind)
    return kind, found.gains[kind]


def test_a_wrong_class_and_its_mending():
    """Two classes: class 0 is not found, AP 0; class 1 is right, but second: AP 1/2."""
    found = kinds_of([(0, 0, BOX), (0, 1, FAR)], [(0, 1, 0.9, BOX), (0, 1, 0.8, FAR)])
    assert found.ap == pytest.approx(1 / 4)
    assert only(found) == ("classification", pytest.approx(3 / 4))
    assert found.false_positives == pytest.approx(1 / 4)  # class 1 is then 1, class 0 still 0
    assert found.false_negatives == pytest.approx(1 / 4)  # class 0 has no object then


def test_a_wrong_place_and_its_mending():
    found = kinds_of([(0, 0, BOX)], [(0, 0, 0.9, HALF)], num_classes=1)
    assert found.ap == 0
    assert only(found) == ("localization", 1)


def test_wrong_in_both_is_taken_away():
    """The object of the other class stays missed: AP of class 0 is 0 either way, of class 1 1/2."""
    found = kinds_of([(0, 0, BOX), (0, 1, FAR)], [(0, 1, 0.9, HALF), (0, 1, 0.8, FAR)])
    assert found.counts == dict.fromkeys(KINDS, 0) | {"both": 1, "missed": 1}
    assert found.gains["both"] == pytest.approx((1 - 1 / 2) / 2)
    # without its only object, class 0 counts no more, and the AP is class 1's
    assert found.gains["missed"] == pytest.approx(1 / 2 - 1 / 4)


@pytest.mark.parametrize(
    ("kind", "box"), [("duplicate", [11, 10, 20, 20]), ("background", [70, 70, 9, 9])]
)
def test_what_is_too_much_is_taken_away(kind, box):
    """Between two right ones: precision at the second is 2/3; 51 of 101 recalls are at half."""
    objects = [(0, 0, BOX), (0, 0, FAR)] if kind == "duplicate" else [(0, 0, BOX), (1, 0, BOX)]
    second = (0, 0, 0.5, FAR) if kind == "duplicate" else (1, 0, 0.5, BOX)
    found = kinds_of(
        objects, [(0, 0, 0.9, BOX), (0, 0, 0.7, box), second], num_classes=1, num_images=2
    )
    assert found.ap == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert only(found) == (kind, pytest.approx(1 - (51 + 50 * 2 / 3) / 101))


def test_a_missed_object():
    """One of two found: 51 of the 101 recalls."""
    found = kinds_of([(0, 0, BOX), (0, 0, FAR)], [(0, 0, 0.9, BOX)], num_classes=1)
    assert found.ap == pytest.approx(51 / 101)
    assert only(found) == ("missed", pytest.approx(50 / 101))
    assert found.false_negatives == pytest.approx(50 / 101)
    assert found.false_positives == 0


def test_of_two_errors_with_one_object_the_better_scored_is_mended():
    """After fixing, one detection is right and none is wrong; the other error is dropped."""
    found = kinds_of([(0, 0, BOX)], [(0, 0, 0.9, HALF), (0, 0, 0.8, HALF)], num_classes=1)
    assert found.counts["localization"] == 2
    assert found.counts["missed"] == 0
    assert found.gains["localization"] == 1


def test_an_error_beside_a_found_object_only_goes():
    found = kinds_of([(0, 0, BOX)], [(0, 0, 0.9, HALF), (0, 0, 0.8, BOX)], num_classes=1)
    assert found.ap == pytest.approx(1 / 2)
    assert only(found) == ("localization", pytest.approx(1 / 2))


def test_detections_in_crowds_are_no_errors():
    found = kinds_of([(0, 0, BOX), (0, 0, [50, 50, 40, 40], 1)], [(0, 0, 0.9, FAR)], num_classes=1)
    assert found.counts == dict.fromkeys(KINDS, 0) | {"missed": 1}


def test_no_detection_and_no_object():
    assert kinds_of([], [(0, 0, 0.9, BOX)]).ap == 0
    assert kinds_of([(0, 0, BOX)], []).counts["missed"] == 1
    assert kinds_of([], []).counts == dict.fromkeys(KINDS, 0)


def test_as_tidecv_says(shared):
    """Boxes of six classes. tidecv 1.0.1 with max_dets=10000, and with the one line that its
    repository has corrected since: what lies in a crowd is no error."""
    content, found = real_set(shared, {1, 3, 44, 47, 62, 84})
    truth, detections = records_of(content, found, "bbox")
    ours = find_error_kinds(compare_images(truth, detections, 10000), truth, detections)
    counts = (143, 1304, 201, 403, 3258, 89)
    gains = (0.005592, 0.072576, 0.002304, 0.005752, 0.065938, 0.087433)
    assert ours.ap == pytest.approx(0.5505642346870445, abs=1e-9)
    assert tuple(ours.counts.values()) == counts
    # equal scores come in another order there
    assert tuple(ours.gains.values()) == pytest.approx(gains, abs=5e-6)
    assert ours.false_positives == pytest.approx(0.213462, abs=5e-6)
    assert ours.false_negatives == pytest.approx(0.145851, abs=5e-6)


def test_the_ap_is_pycocotools(datasets):
    content, found = real_set(datasets, {1, 3, 44, 47, 62, 84})
    run = coco_eval(content, found, "segm")
    truth, detections = records_of(content, found, "segm")
    precision = run.eval["precision"][0, :, :, 0, -1]
    has_object = precision[0] > -1
    expected = precision[:, has_object].mean()
    ours = find_error_kinds(compare_images(truth, detections, 100), truth, detections)
    assert ours.ap == pytest.approx(expected, abs=1e-9)


def test_average_precision_by_hand():
    """Right, wrong, right of four: 1 up to recall 1/4, 2/3 up to 1/2, nothing above."""
    value = average_precision(np.array([0.5, 0.9, 0.1]), np.array([False, True, True]), 4)
    assert value == pytest.approx((26 + 25 * 2 / 3) / 101)
