"""The process of a command."""

import atexit
import gc
import os

import pytest

from condinst.utils.process import prepare_process


@pytest.fixture
def registered(monkeypatch):
    functions = []
    monkeypatch.setattr(atexit, "register", functions.append)
    return functions


def test_the_end_leaves_out_the_search_for_garbage(registered, monkeypatch):
    monkeypatch.delenv("OPENCV_LOG_LEVEL", raising=False)
    prepare_process()
    assert registered == [gc.freeze]
    assert os.environ["OPENCV_LOG_LEVEL"] == "ERROR"


def test_the_users_choice_of_messages_stays(registered, monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "DEBUG")
    prepare_process()
    assert os.environ["OPENCV_LOG_LEVEL"] == "DEBUG"
