"""The page waits for its model, and says why there is none."""

import threading

import pytest
from fixed_predictor import FixedPredictor

from condinst.demo.later import LoadedLater


def test_threads_wait_until_it_is_loaded():
    predictor, got = FixedPredictor(), []
    model = LoadedLater("fixed", lambda: predictor)
    thread = threading.Thread(target=lambda: got.append(model.get()))
    thread.start()
    assert model.is_loading
    thread.join(0.05)
    assert not got
    model.load()
    thread.join(5)
    assert got == [predictor]
    assert not model.is_loading


def test_a_model_that_cannot_be_loaded():
    def fail():
        raise RuntimeError("no such device")

    model = LoadedLater("broken", fail)
    with pytest.raises(RuntimeError, match="no such device"):
        model.load()
    for _ in range(2):
        with pytest.raises(ValueError, match="the model cannot be loaded: no such device"):
            model.get()
