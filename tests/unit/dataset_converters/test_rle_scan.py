"""Test that the number of the first pixel of an RLE is found out."""

import numpy as np
import pytest

from condinst.dataset_converters.rle_scan import first_number

SIZE = (4, 5)  # pixels down a column: 0 to 3, 4 to 7, ...


@pytest.mark.parametrize(
    ("runs", "by_rows", "number", "why"),
    [
        ([(0, 2), (4, 2)], False, 0, "starts at 0"),
        ([(1, 2), (19, 2)], False, 1, "ends there"),
        ([(4, 2), (8, 2)], False, 0, "edges"),  # the first two pixels of columns 1 and 2
        ([(7, 2), (11, 2)], False, 1, "edges"),  # the last two pixels
        ([(5, 2), (10, 2)], True, 0, "edges"),  # the first two pixels of rows 1 and 2
        ([(9, 2), (14, 2)], True, 1, "edges"),  # the last two pixels
        ([(5, 2), (10, 2)], False, 1, "no run tells"),
        ([], False, 1, "no run tells"),
        ([(6, 1), (10, 1)], False, 1, "no run tells"),
    ],
)
def test_the_first_number(runs, by_rows, number, why):
    found = first_number([(np.array(runs, np.int64).reshape(-1, 2), SIZE)], by_rows)
    assert found.number == number
    assert why in found.sentence
