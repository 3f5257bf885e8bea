"""Pairs and bounds, by hand calculation."""

import numpy as np
import pytest

from condinst.export.agreement import BOUNDS, Agreement, compare_instances

SETTINGS = dict(score_thr=0.05, max_per_img=100, sqrt_scores=False, margin=1e-4)


def instances(*rows):
    """Rows of box, score and label; each mask is its box."""
    masks = np.zeros((len(rows), 20, 20), bool)
    for mask, ((x1, y1, x2, y2), _, _) in zip(masks, rows, strict=True):
        mask[y1:y2, x1:x2] = True
    return dict(
        boxes=np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4),
        scores=np.array([score for _, score, _ in rows], np.float32),
        labels=np.array([label for _, _, label in rows], np.int64),
        masks=masks,
    )


def test_figures_of_a_pair():
    a, b = instances(((0, 0, 10, 10), 0.9, 1)), instances(((0, 0, 10, 8), 0.7, 1))
    result = compare_instances(a, b, **SETTINGS)
    assert (result.matched, result.missing) == (1, 0)
    assert result.boxes == [2.0]
    assert result.scores == pytest.approx([0.2])
    assert result.mask_ious == pytest.approx([0.8])
    assert result.pixels == [20]
    assert len(result.failures(BOUNDS["float32"])) == 3


def test_another_class_or_place_is_no_pair():
    a = instances(((0, 0, 10, 10), 0.9, 1))
    for b in (instances(((0, 0, 10, 10), 0.9, 2)), instances(((0, 6, 10, 16), 0.9, 1))):
        result = compare_instances(a, b, **SETTINGS)
        assert (result.matched, result.missing, result.expected) == (0, 2, 2)
        assert result.matched_fraction == 0


def test_each_partner_once_best_first():
    twice = instances(((0, 0, 10, 10), 0.9, 1), ((0, 0, 10, 10), 0.8, 1))
    once = instances(((0, 0, 10, 10), 0.9, 1))
    result = compare_instances(twice, once, **SETTINGS)
    assert (result.matched, result.missing) == (1, 1)
    assert result.scores == [0.0]


def test_nothing_on_both_sides_agrees():
    result = compare_instances(instances(), instances(), **SETTINGS)
    assert result.failures(BOUNDS["float32"]) == []
    assert result.expected == 0


def test_scores_at_the_threshold_and_at_the_cap_leave_doubt():
    at_threshold = instances(((0, 0, 10, 10), 0.05004, 1))
    assert compare_instances(at_threshold, instances(), **SETTINGS).missing == 0
    above = instances(((0, 0, 10, 10), 0.0503, 1))
    assert compare_instances(above, instances(), **SETTINGS).missing == 1
    # square roots: 0.2237 is 0.05004 squared
    rooted = instances(((0, 0, 10, 10), 0.2237, 1))
    assert compare_instances(rooted, instances(), **{**SETTINGS, "sqrt_scores": True}).missing == 0
    # full: the last of either side may have given way to another
    full = {**SETTINGS, "max_per_img": 2}
    a = instances(((0, 0, 5, 5), 0.9, 1), ((10, 10, 15, 15), 0.5, 1))
    b = instances(((0, 0, 5, 5), 0.9, 1), ((0, 10, 5, 15), 0.5, 1))
    assert compare_instances(a, b, **full).missing == 0
    assert compare_instances(a, b, **SETTINGS).missing == 2


def test_one_pixel_of_a_small_mask_is_allowed():
    a, b = (Agreement(1, 0, [0.0], [0.0], [0.9], [n], [0.5]) for n in (1, 2))
    assert a.failures(BOUNDS["float32"]) == []
    assert len(b.failures(BOUNDS["float32"])) == 1


def test_confident_pairs():
    both = Agreement(2, 0, [0.1, 9.0], [0.0, 0.5], [1.0, 0.2], [0, 50], [0.8, 0.1])
    assert both.confident(0.3) == Agreement(1, 0, [0.1], [0.0], [1.0], [0], [0.8])
