"""Numbers of moving shapes, against numbers by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from condinst.inference.tracking import track
from condinst.masks.crop import Crop
from condinst.results.results import Results

SIDE = 20


def frame(*places: tuple[float, float], scores=None, labels=None) -> Results:
    """Squares at the places of their left upper corners, best first."""
    corners = np.array(places, np.float32).reshape(-1, 2)
    scores = [0.9 - 0.1 * i for i in range(len(places))] if scores is None else scores
    return Results(
        image_size=(200, 300),
        boxes=np.concatenate([corners, corners + SIDE], axis=1),
        scores=scores,
        labels=[0] * len(places) if labels is None else labels,
        crops=[Crop(np.ones((SIDE, SIDE), bool), int(x), int(y)) for x, y in places],
        class_names=("square", "disk"),
    )


def ids(frames) -> list[list[int]]:
    return [results.track_ids.tolist() for results in track(frames, 25.0)]


def test_two_squares_that_pass_each_other():
    """One goes right in the upper row, one left in the lower: they keep their numbers."""
    frames = [frame((10 + 8 * i, 40), (250 - 8 * i, 100)) for i in range(25)]
    assert ids(frames) == [[1, 2]] * 25


def test_numbers_follow_the_object_and_not_the_score():
    frames = [
        frame((10 + 5 * i, 40), (200, 100), scores=[0.9, 0.5] if i % 2 else [0.4, 0.8])
        for i in range(8)
    ]
    assert ids(frames) == [[1, 2]] * 8


def test_one_that_is_hidden_for_three_frames_and_one_that_comes_late():
    """The square at the left is missing in frames 5 to 7; a third one begins in frame 6."""
    frames = []
    for i in range(12):
        places = [(100, 150)] + ([] if 5 <= i < 8 else [(10 + 4 * i, 30)])
        frames.append(frame(*places, *([(220, 60)] if i >= 6 else [])))
    assert ids(frames)[:5] == [[1, 2]] * 5
    assert ids(frames)[5] == [1]
    assert ids(frames)[6:8] == [[1, 3]] * 2
    assert ids(frames)[8:] == [[1, 2, 3]] * 4


def test_a_low_score_goes_on_and_does_not_begin():
    frames = [frame((10, 10), (100, 100), scores=[0.9, 0.2])] * 2
    frames += [frame((10, 10), scores=[0.15])] * 2 + [frame()]
    found = list(track(frames, score_thr=0.3))
    assert [results.track_ids.tolist() for results in found] == [[1], [1], [1], [1], []]
    assert found[2].scores.tolist() == [np.float32(0.15)]


def test_masks_and_classes_are_those_of_the_instances():
    source = frame((10, 10), (100, 100), (200, 20), labels=[1, 0, 1])
    found, _ = track([source, source])
    assert found.names.tolist() == source.names.tolist() == ["disk", "square", "disk"]
    assert np.array_equal(found.masks, source.masks)
    assert found.track_ids.tolist() == [1, 2, 3]
    assert source.track_ids is None


def test_what_is_seen_once_is_no_object():
    assert ids([frame((10, 10), (200, 20)), frame((12, 10)), frame((14, 10))]) == [[1]] * 3
    assert ids([frame((10, 10))]) == [[]]
    assert ids([]) == []


def test_each_video_begins_at_one():
    for _ in range(2):
        assert ids([frame((10, 10))] * 2) == [[1], [1]]


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(ImportError, match=r'tracking needs trackers: pip install "condinst\[track'):
        track([])
