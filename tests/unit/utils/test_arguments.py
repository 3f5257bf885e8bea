"""One line about an argument of a function."""

import pathlib

import numpy as np
import pytest

from condinst.utils.arguments import (
    check_number,
    check_path,
    check_whole,
    did_you_mean,
    hinting,
    shown,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (None, "None"),
        (np.array(2.5), "array(2.5)"),
        ("a\nb", r"'a\nb'"),
        (np.zeros((2, 3, 3)), "<ndarray of shape (2, 3, 3)>"),
    ],
)
def test_values_are_shown_in_one_line(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("value", [[np.zeros((90, 90))] * 9, "x" * 9000, list(range(9000))])
def test_long_values_are_cut(value):
    assert len(shown(value)) < 200
    assert "\n" not in shown(value)


@pytest.mark.parametrize("value", ["a/b.png", pathlib.Path("a/b.png")])
def test_paths(value):
    assert check_path("path", value, "a file") == str(pathlib.Path("a/b.png"))


@pytest.mark.parametrize(
    ("value", "kind"), [(3, TypeError), (None, TypeError), (b"a", TypeError), ("", ValueError)]
)
def test_no_paths(value, kind):
    with pytest.raises(kind) as raised:
        check_path("path", value, "a file")
    assert str(raised.value) == f"path={value!r}: expected a file"


def test_whole_numbers():
    assert check_whole("n", np.int64(3)) == 3
    assert check_whole("n", 0, least=0) == 0
    for value, kind in ((1.5, TypeError), ("2", TypeError), (True, TypeError), (0, ValueError)):
        with pytest.raises(kind) as raised:
            check_whole("n", value, more=", or None")
        assert str(raised.value) == f"n={value!r}: expected a whole number, 1 or more, or None"


def test_numbers():
    assert check_number("x", np.float32(0.5), "from 0 to 1", 0, 1) == 0.5
    assert check_number("x", 7, "0 or more", 0) == 7
    wrong = [("1", TypeError), (None, TypeError), (float("nan"), ValueError), (1.1, ValueError)]
    for value, kind in wrong:
        with pytest.raises(kind) as raised:
            check_number("x", value, "from 0 to 1", 0, 1)
        assert str(raised.value) == f"x={value!r}: expected a number from 0 to 1"


def test_near_names():
    known = ["show", "save", "__shape__"]
    assert did_you_mean("shwo", known) == "; did you mean show?"
    assert did_you_mean("xyz", known) == ""
    assert did_you_mean("__shap__", known) == ""  # asked for by programs


def test_unknown_arguments_of_a_method():
    class Inner:
        @hinting
        def turn(self, angle, *, width=3):
            return angle, width

        @staticmethod
        @hinting
        def make(text): ...

    assert Inner().turn(2, width=4) == (2, 4)
    for call, message in (
        (
            lambda: Inner().turn(1, widht=2),
            "Results.turn: no argument 'widht'; did you mean width?",
        ),
        (lambda: Inner().turn(1, q=2), "Results.turn: no argument 'q'; it takes angle, width"),
        (lambda: Inner.make(q=2), "Results.make: no argument 'q'; it takes text"),
    ):
        with pytest.raises(TypeError) as raised:
            call()
        assert str(raised.value) == message
    with pytest.raises(TypeError, match=r"^Results.turn\(\) missing 1 .* 'angle'$"):
        Inner().turn()
