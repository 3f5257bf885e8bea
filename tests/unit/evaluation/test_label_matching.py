"""One-to-one matching of label maps: StarDist's stored numbers, and cases by hand."""

import json
from pathlib import Path

import label_maps
import numpy as np
import pytest
from label_maps import CASES, THRESHOLDS, label_map_pair

from condinst.evaluation import Matches, match_label_maps

STORED = json.loads(Path(label_maps.__file__).with_name("stardist_matching.json").read_text())
FLOAT32 = 1e-6  # StarDist adds IoUs as float32


def test_every_image_equals_stardist():
    assert len(STORED["images"]) == CASES
    for case, expected in enumerate(np.array(STORED["images"])):
        ours = match_label_maps(*label_map_pair(case), THRESHOLDS)
        assert np.stack([ours.tp, ours.fp, ours.fn]).T.tolist() == expected[:, :3].tolist()
        assert ours.ap == pytest.approx(expected[:, 3], abs=1e-16)  # stored with 17 digits
        assert ours.pq == pytest.approx(expected[:, 4], rel=FLOAT32)


def test_all_images_together_and_their_mean_equal_stardist():
    parts = [match_label_maps(*label_map_pair(case), THRESHOLDS) for case in range(CASES)]
    total = Matches.sum(parts, len(THRESHOLDS))
    for ours, theirs in (
        (total.ap, "accuracy"),
        (total.precision, "precision"),
        (total.recall, "recall"),
        (total.f1, "f1"),
    ):
        assert ours.tolist() == [one[theirs] for one in STORED["together"]]
        by_image = [getattr(part, "ap" if theirs == "accuracy" else theirs) for part in parts]
        expected = [one[theirs] for one in STORED["mean"]]
        assert np.mean(by_image, axis=0) == pytest.approx(expected, rel=1e-14)
    quality = [one["panoptic_quality"] for one in STORED["together"]]
    assert total.pq == pytest.approx(quality, rel=FLOAT32)
    iou = [one["mean_matched_score"] for one in STORED["together"]]
    assert total.iou_sum / np.maximum(total.tp, 1) == pytest.approx(iou, rel=FLOAT32)


@pytest.mark.parametrize("shape", [(8, 9), (0, 9)])
def test_empty_images(shape):
    empty, full = np.zeros(shape, int), np.ones(shape, int)
    objects = int(full.size > 0)
    for truth, found, expected in (
        (empty, empty, (0, 0, 0)),
        (full, empty, (0, 0, objects)),
        (empty, full, (0, objects, 0)),
    ):
        ours = match_label_maps(truth, found, [0.5])
        assert (ours.tp[0], ours.fp[0], ours.fn[0]) == expected
        assert ours.ap[0] == ours.precision[0] == ours.recall[0] == ours.f1[0] == ours.pq[0] == 0
    assert Matches.sum([], 2).ap.tolist() == [0, 0]


def test_numbers_by_hand():
    truth, found = np.zeros((2, 10, 10), int)
    truth[0:4, 0:4], truth[6:8, 0:10] = 3, 9
    found[0:4, 0:3], found[6:8, 5:10], found[9, 9] = 70_000, 2, 5  # IoUs 12 / 16 and 10 / 20
    ours = match_label_maps(truth, found, [0.5, 0.75, 0.76])
    assert ours.tp.tolist() == [2, 1, 0]
    assert ours.fp.tolist() == [1, 2, 3]
    assert ours.fn.tolist() == [0, 1, 2]
    assert ours.ap == pytest.approx([2 / 3, 1 / 4, 0])
    assert ours.f1 == pytest.approx([4 / 5, 2 / 5, 0])
    assert ours.pq == pytest.approx([1.25 / 2.5, 0.75 / 2.5, 0])


def test_most_matches_come_before_the_largest_iou():
    """The object on the left may match both, the one on the right only the first."""
    truth, found = np.zeros((2, 1, 20), int)
    truth[0, 0:8], truth[0, 8:12] = 1, 2
    found[0, 0:2], found[0, 2:10] = 1, 2
    # IoUs: (1, 1) 2 / 8, (1, 2) 6 / 10, (2, 2) 2 / 10
    assert match_label_maps(truth, found, [0.2]).tp.tolist() == [2]
    assert match_label_maps(truth, found, [0.2]).iou_sum == pytest.approx([0.45])
    assert match_label_maps(truth, found, [0.25]).iou_sum == pytest.approx([0.6])


def test_many_objects_need_no_matrix_of_all_pairs():
    """30,000 x 30,000 overlaps would be 7 GB; what is kept grows with the pixels."""
    import tracemalloc

    truth = np.arange(1, 30_001).reshape(150, 200).repeat(2, axis=1)
    tracemalloc.start()
    ours = match_label_maps(truth, truth[::-1, ::-1].copy(), [0.5, 0.9])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ours.tp.tolist() == [30_000, 30_000]
    assert peak < 50e6


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), "expected equal shapes"),
        (np.zeros((2, 3)), np.zeros((2, 3), int), "array of integers, got float64"),
        (np.zeros((2, 3), int), np.full((2, 3), -1), "no negative numbers, got -1"),
    ],
)
def test_what_is_no_label_map(truth, found, message):
    with pytest.raises(ValueError, match=message):
        match_label_maps(truth, found, [0.5])
