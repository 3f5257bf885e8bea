"""Names on images: which are written, and where."""

import numpy as np
import pytest

from condinst.masks.crop import Crop
from condinst.visualization import instances as draw
from condinst.visualization import labels as draw_labels
from condinst.visualization.selection import DrawnInstances

CLASSES = ("dog", "cat")
SIZE = (600, 640)


class Squares:
    """Squares of one class with their top left corners (x, y), as draw_instances reads them."""

    def __init__(self, corners=((300, 100),), side=200, scores=None):
        self.image_size = SIZE
        self.labels = np.zeros(len(corners), int)
        self.crops = [Crop(np.ones((side, side), bool), x, y) for x, y in corners]
        self.boxes = np.array([[x, y, x + side, y + side] for x, y in corners], float)
        self.scores, self.track_ids = scores, None


def gray():
    return np.full((*SIZE, 3), 100, np.uint8)


def test_labels_give_way_to_each_other():
    place = draw_labels._find_place(np.array([50, 60, 90, 100]), 30, 10, (200, 200), [])
    assert place == (50, 50, 80, 60)
    taken = [place]
    other = draw_labels._find_place(np.array([55, 58, 95, 100]), 30, 10, (200, 200), taken)
    assert other == (55, 100, 85, 110)  # above and inside the top would hide the first
    assert (
        draw_labels._find_place(np.array([0, 0, 9, 9]), 30, 10, (40, 40), [(0, 0, 40, 40)]) is None
    )


def red_pixels(drawn):
    return (drawn == draw.class_color(0)).all(axis=2)


def test_automatic_names_leave_out_the_only_class():
    """With one class, a label holds the score; without scores, it holds nothing."""
    scored = Squares(scores=np.array([0.5]))
    widths = {
        len(classes): red_pixels(draw.draw_instances(gray(), scored, classes))[84:97].any(0).sum()
        for classes in (("dog",), CLASSES)
    }
    assert 0 < widths[1] < 0.8 * widths[2]
    assert (draw.draw_instances(gray(), Squares(), ("dog",))[:90] == 100).all()
    assert (draw.draw_instances(gray(), Squares(), ("dog",), names=True)[:90] != 100).any()


def test_automatic_names_hide_a_fifth_of_an_object_at_most():
    """A grid of squares without gaps: a name has no place that hides less of one of them."""
    rows = [(x, y) for x in range(0, 640, 40) for y in range(0, 600, 40)]
    crowd = Squares(rows, side=40)
    without = draw.draw_instances(gray(), crowd, CLASSES, names=False)
    assert np.array_equal(draw.draw_instances(gray(), crowd, CLASSES), without)
    assert not np.array_equal(draw.draw_instances(gray(), crowd, CLASSES, names=True), without)


def test_a_label_may_hide_a_fifth_of_a_box():
    square = Squares(side=100)
    drawn = DrawnInstances(square.labels, square.crops, square.boxes, square.scores)
    hides = draw_labels._HiddenObjects(drawn)
    assert not hides((300, 100, 320, 200))  # 20 of 100 columns
    assert hides((300, 100, 321, 200))
    assert not hides((0, 0, 300, 600))  # touches


def test_names_that_are_no_choice():
    with pytest.raises(ValueError, match="names='yes': expected True, False or 'auto'"):
        draw.draw_instances(gray(), Squares(), CLASSES, names="yes")
