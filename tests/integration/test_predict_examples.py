"""The examples, on a generated video with a trained model."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import REPO, run

from condinst.inference.predictor import Predictor

pytestmark = pytest.mark.long

TRACK = REPO / "examples" / "track_video.py"
NUM_FRAMES, STEP = 8, 2


@pytest.fixture(scope="module")
def film(shapes, tmp_path_factory) -> Path:
    """An image that moves to the right, 2 pixels per frame."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    image = cv2.imread(str(shapes / "train" / "000000.png"))
    wide = np.concatenate([image[:, :1].repeat(NUM_FRAMES * STEP, axis=1), image], axis=1)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for i in range(NUM_FRAMES):
        left = (NUM_FRAMES - i) * STEP
        writer.write(np.ascontiguousarray(wide[:, left : left + 96]))
    writer.release()
    return path


def test_an_instance_keeps_its_number(trained, film):
    predictor = Predictor(trained / "iter_80.pth", device="cpu", score_thr=0.1)
    track = runpy.run_path(str(TRACK))["track"]
    # the scores of a model of 80 iterations are half of those that a track asks for
    stream = [*predictor.stream(film)]
    for results in stream:
        results.scores = np.minimum(2 * results.scores, 1)
    frames = [found for _, found in track(stream, 10)]
    assert len(frames) == NUM_FRAMES
    # of the tracks, one that is seen from its first frame to the last; tracks start at the second
    seen = Counter(int(number) for found in frames[2:] for number in found.tracker_id)
    number, count = seen.most_common(1)[0]
    assert count == NUM_FRAMES - 2
    (label,) = {int(f.class_id[f.tracker_id == number][0]) for f in frames[2:]}
    moved = []
    for found in frames[2:]:  # a track starts at its second frame
        (index,) = np.flatnonzero(found.tracker_id == number)
        moved.append(found.xyxy[index].mean())
        assert found.class_id[index] == label
    way = (moved[-1] - moved[0]) * 2  # the mean of x and y moves half as far as x does
    assert way == pytest.approx((NUM_FRAMES - 3) * STEP, abs=6)


def test_the_tracked_video(trained, film, tmp_path):
    done = run(
        TRACK, trained / "iter_80.pth", film, "--out", tmp_path / "out.mp4", "--device", "cpu"
    )
    assert int(done.out.split()[0]) > 0
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == NUM_FRAMES
    capture.release()
