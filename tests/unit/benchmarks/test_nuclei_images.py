"""The drawing of found, missed and wrong nuclei."""

import numpy as np

from benchmarks.nuclei_images import draw

GREEN, RED, YELLOW = (70, 230, 90), (255, 60, 60), (255, 220, 0)


def test_colors_of_outlines():
    truth, found = np.zeros((2, 20, 60), int)
    truth[5:10, 5:10], found[5:10, 5:10] = 3, 7  # the same
    truth[5:10, 25:30] = 1  # missed
    found[5:10, 45:50] = 2  # without a nucleus
    image = np.tile(np.arange(60, dtype=np.uint16), (20, 1))
    drawn = draw(image, truth, found)
    assert drawn.shape == (40, 120, 3)
    for left, color in ((5, GREEN), (25, RED), (45, YELLOW)):
        rows, columns = np.nonzero((drawn == color).all(axis=2))
        # the outer pixels of 10 x 10: an outline one pixel wide
        assert len(rows) == 36
        assert (rows.min(), rows.max()) == (10, 19)
        assert (columns.min(), columns.max()) == (2 * left, 2 * left + 9)


def test_a_constant_image_is_black():
    nothing = np.zeros((4, 6), int)
    assert not draw(np.full((4, 6), 9, np.uint8), nothing, nothing).any()
