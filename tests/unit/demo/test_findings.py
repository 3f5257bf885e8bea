"""What the page finds in images and videos, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from fixed_predictor import FixedPredictor, write_image, write_video

from condinst.demo.findings import Findings, find


def last(files, workspace, predictor=None, max_frames=100) -> Findings:
    steps = list(find(predictor or FixedPredictor(), files, workspace, max_frames))
    assert len({id(findings) for findings, _ in steps}) == 1
    return steps[-1][0]


def test_images_keep_instances_below_the_first_threshold(tmp_path):
    files = [write_image(tmp_path / name) for name in ("b.png", "a.png")]
    findings = last(files, tmp_path)
    assert [item.name for item in findings.items] == ["b.png", "a.png"]
    assert [len(item.results) for item in findings.items] == [3, 3]  # 0.25 is one of the scores
    assert findings.seconds > 0
    assert all(item.results.image is None for item in findings.items)


def test_a_broken_image_among_others_is_a_note(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    files = [tmp_path / "broken.png", write_image(tmp_path / "good.png")]
    findings = last(files, tmp_path)
    assert [item.name for item in findings.items] == ["good.png"]
    (note,) = findings.notes
    assert note.startswith(f"image file {files[0]}: not readable")
    with pytest.raises(ValueError, match="broken.png: not readable"):
        last(files[:1], tmp_path)
    with pytest.raises(ValueError, match="none of 2 files could be read: .*broken.png"):
        last(files[:1] * 2, tmp_path)


def test_a_video_is_kept_as_files_of_its_frames(tmp_path):
    film = write_video(tmp_path / "film.avi", num_frames=3)
    findings = last([film], tmp_path)
    assert (findings.video, findings.rate) == ("film.avi", 10)
    assert [item.name for item in findings.items] == [f"film.avi#{i}" for i in (1, 2, 3)]
    for number, item in enumerate(findings.items):
        assert item.results.image is None
        assert np.abs(item.results.read_image().astype(int) - 40 * number).max() <= 6
    folder = Path(findings.items[0].results.path).parent
    findings.remove()
    assert not folder.exists()
    assert film.exists()


def test_a_long_video_ends_early_with_a_note(tmp_path):
    predictor = FixedPredictor()
    findings = last([write_video(tmp_path / "film.avi", 5)], tmp_path, predictor, max_frames=2)
    assert len(findings) == predictor.calls == 2
    assert findings.notes == ["the first 2 of 5 frames (--max-frames)"]


def test_what_is_refused(tmp_path, monkeypatch):
    film, image = write_video(tmp_path / "film.avi"), write_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match="film.avi: expected a video alone"):
        last([image, film], tmp_path)
    monkeypatch.setattr("condinst.demo.findings.MAX_FILES", 2)
    with pytest.raises(ValueError, match="3 files: expected at most 2"):
        last([image] * 3, tmp_path)
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(ValueError, match="no.mp4: not a video that OpenCV can read"):
        last([tmp_path / "no.mp4"], tmp_path)
