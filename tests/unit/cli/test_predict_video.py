"""The video that ``condinst predict`` writes, also while another run writes the same one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from three_instances import SIZE, make_results

from condinst.cli.predict_output import ImageOutput
from condinst.cli.predict_video import VideoOutput


@pytest.fixture
def film(tmp_path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE[::-1])
    for _ in range(3):
        writer.write(np.zeros((*SIZE, 3), np.uint8))
    writer.release()
    return path


def output(folder: Path) -> ImageOutput:
    return ImageOutput(folder, [], ("cat", "dog"), draw=True, boxes=True, closeups=False)


def frame():
    return make_results(image=np.zeros((*SIZE, 3), np.uint8))[0]


def count_frames(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    number = 0
    while capture.read()[0]:
        number += 1
    return number


def test_two_runs_write_one_video(film, tmp_path):
    """The last one to end wins, and both are whole."""
    out = tmp_path / "out"
    with output(out) as first, output(out) as second, VideoOutput(film, first) as long:
        long.write(frame())
        with VideoOutput(film, second) as short:
            for _ in range(2):
                short.write(frame())
                long.write(frame())
            assert len(list(out.glob("[!.]*"))) == 2
        assert count_frames(out / "film.mp4") == 2
        for _ in range(4):
            long.write(frame())
    assert [path.name for path in out.glob("[!.]*")] == ["film.mp4"]
    assert count_frames(out / "film.mp4") == 7


def test_the_temporary_of_a_killed_run_is_used_again(film, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "film.mp4.partial.mp4").write_bytes(b"half")
    with output(out) as images, VideoOutput(film, images) as video:
        video.write(frame())
    assert [path.name for path in out.glob("[!.]*")] == ["film.mp4"]


def test_no_empty_video_replaces_an_older_one(film, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with output(out).files.own.writing([out / "film.mp4"]):
        (out / "film.mp4").write_bytes(b"older")
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", staticmethod(lambda *letters: 0x7FFFFFFF))
    with (
        pytest.raises(OSError, match="cannot write a video"),
        output(out) as images,
        VideoOutput(film, images) as video,
    ):
        video.write(frame())
    assert [path.name for path in out.glob("[!.]*")] == ["film.mp4"]
    assert (out / "film.mp4").read_bytes() == b"older"


def test_a_video_of_others_stays(film, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "film.mp4").write_bytes(b"theirs")
    with pytest.raises(ValueError, match="film.mp4 there is not from condinst predict"):
        VideoOutput(film, output(out))
    assert (out / "film.mp4").read_bytes() == b"theirs"
