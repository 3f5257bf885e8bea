"""Arguments that a call does not take, in the words of other libraries."""

import pytest

from condinst.deploy import OnnxPredictor
from condinst.inference.options import unknown_options


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("conf", "did you mean score_thr?"),
        ("scorethr", "did you mean score_thr?"),
        ("threads", "it is set once: OnnxPredictor(..., threads=...)"),
        ("classes", 'choose them afterwards, results["person", "dog"]'),
        ("stream", "call predictor.stream(source)"),
        ("tile_size", "did you mean tile?"),
        ("xyz", "a call takes source and score_thr"),
    ],
)
def test_the_way_out(name, way):
    expected = f"OnnxPredictor: a call has no argument {name!r}; {way}"
    assert unknown_options(OnnxPredictor, {name: 1}) == expected
