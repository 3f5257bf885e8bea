"""Arguments that a call does not take, in the words of other libraries."""

import copy

import pytest

from condinst.deploy import OnnxPredictor
from condinst.inference.base import BasePredictor
from condinst.inference.options import device_hint, unknown_options


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


class Small(BasePredictor):
    class_names = ("a", "b")

    def __init__(self, config, *, device=None, score_thr=0.3, **more):
        settings = dict(batch_size=1, channel_order="rgb", on_error="raise")
        super().__init__(**settings, score_thr=score_thr, **more)

    def _read(self, path): ...

    def _prepare(self, source): ...

    def _predict(self, batch, score_thr): ...

    def _origin(self):
        return "small"


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("conf", "did you mean score_thr?"),
        ("batch", "did you mean batch_size?"),
        ("scor_thr", "did you mean score_thr?"),
        ("half", 'dtype="float16"'),
        ("model", "it comes first, unnamed"),
        ("qqq", "expected one of config, device, score_thr, batch_size, "),
    ],
)
def test_the_constructor_says_it_too(name, way):
    with pytest.raises(TypeError) as raised:
        Small("a.py", **{name: 1})
    assert str(raised.value).startswith(f"Small: no argument {name!r}; {way}")


def test_other_type_errors_stay():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'config'"):
        Small()
    with pytest.raises(TypeError, match="multiple values for .* 'batch_size'"):
        Small("a.py", batch_size=2)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("predict", "; call the predictor itself: predictor(source)"),
        ("names", "; see class_names"),
        ("to", "; Predictor(..., device=...) sets the device"),
        ("qqq", ""),
    ],
)
def test_attributes_of_other_libraries(name, way):
    with pytest.raises(AttributeError) as raised:
        getattr(Small("a.py"), name)
    assert str(raised.value) == f"'Small' object has no attribute {name!r}{way}"
    assert copy.copy(Small("a.py", score_thr=0.5)).score_thr == 0.5


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("gpu0", "; did you mean cuda:0?"),
        ("GPU:1", "; did you mean cuda:1?"),
        ("cuda2", "; did you mean cuda:2?"),
        ("3", "; did you mean cuda:3?"),
        ("gpu", "; did you mean cuda?"),
        ("tpu", ""),
    ],
)
def test_devices(word, hint):
    assert device_hint(word) == hint


def test_a_misspelt_attribute():
    with pytest.raises(AttributeError, match=r"'class_nams'; did you mean class_names\?$"):
        Small("a.py").class_nams  # noqa: B018


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, r"^source=None: expected a path, .* in RGB, .*; cv2.imread returns None for a file"),
        ([[], None], r"^source\[1\]=None: expected a path"),
        (3, "^source=3: .*; the frames of a camera go in as a generator$"),
        ([[[1, 2]]], r"^source\[0\]\[0\]\[0\]=1: .*; pixels go in as an array: np.array"),
        ("", "^source='': expected the path of an image, a folder or a video$"),
    ],
)
def test_what_is_no_image(source, message):
    with pytest.raises((TypeError, ValueError), match=message):
        list(Small("a.py")(source))


def test_arrays_are_rgb_says_the_help():
    assert "arrays are RGB" in BasePredictor.__call__.__doc__.splitlines()[0]
