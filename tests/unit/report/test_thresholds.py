"""Compare the threshold of the highest F1 with calculations by hand."""

import math

import numpy as np
import pytest

from condinst.report.thresholds import THRESHOLDS, best_threshold, score_curve


def at(curve, threshold):
    place = round(threshold * 1000)
    return curve.precision[place], curve.recall[place], curve.f1[place]


def test_every_threshold_by_hand():
    """Scores .9 right, .8 wrong, .6 right, .2 wrong; four objects."""
    curve = score_curve([0.2, 0.9, 0.6, 0.8], [False, True, True, False], 4)
    assert at(curve, 0.2) == pytest.approx((2 / 4, 2 / 4, 4 / 8))
    assert at(curve, 0.201) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert at(curve, 0.6) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert at(curve, 0.8) == pytest.approx((1 / 2, 1 / 4, 2 / 6))
    assert at(curve, 0.9) == pytest.approx((1, 1 / 4, 2 / 5))
    precision, recall, f1 = at(curve, 0.901)
    assert math.isnan(precision)
    assert (recall, f1) == (0, 0)
    # 4/7 is the best, from .201 to .6: the middle
    assert THRESHOLDS[best_threshold(curve)] == pytest.approx(0.4)


def test_of_two_equal_stretches_the_first_is_taken():
    """Two objects. F1 is 2/3 up to .5 (two of four right), 1/2 or less between, 2/3 up to .9."""
    curve = score_curve([0.9, 0.8, 0.5, 0.7], [True, False, True, False], 2)
    assert at(curve, 0.5)[2] == at(curve, 0.85)[2] == pytest.approx(2 / 3)
    assert at(curve, 0.6)[2] == pytest.approx(2 / 5)
    assert THRESHOLDS[best_threshold(curve)] == pytest.approx(0.25)


def test_equal_scores_are_kept_or_left_together():
    curve = score_curve([0.5, 0.5], [True, False], 1)
    assert at(curve, 0.5) == pytest.approx((1 / 2, 1, 2 / 3))
    assert np.nanmax(curve.f1) == pytest.approx(2 / 3)


def test_a_score_of_single_precision_is_not_lost_at_its_own_threshold():
    curve = score_curve(np.array([0.3], np.float32), [True], 1)  # 0.30000001192...
    assert at(curve, 0.3)[2] == 1


@pytest.mark.parametrize(
    ("scores", "correct", "objects"),
    [([], [], 0), ([], [], 3), ([0.5], [False], 2), ([0.5], [False], 0)],
)
def test_there_is_no_best_where_nothing_is_right(scores, correct, objects):
    assert best_threshold(score_curve(scores, correct, objects)) is None
