"""What counts as a restart by torchrun."""

import os

import pytest
from mmengine.config import Config

from condinst.engine import elastic


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """A start by a launcher that began at second 1000; returns the config and what is resumed."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    monkeypatch.setattr(elastic, "is_distributed", lambda: True)
    monkeypatch.setattr(elastic, "all_reduce", lambda *_: None)
    monkeypatch.setattr(elastic, "_launcher_start_time", lambda: 1000.0)
    resumed = []
    monkeypatch.setattr(elastic, "set_resume", lambda cfg, path: resumed.append(path))

    def start(restarts, checkpoint_age=None):
        resumed.clear()
        path = tmp_path / "iter_5.pth"
        found = None
        if checkpoint_age is not None:
            path.touch()
            os.utime(path, (checkpoint_age,) * 2)
            found = path, {"iter": 5}
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))
        monkeypatch.setattr(
            "condinst.compat.checkpoint_search.newest_whole", lambda *_, **__: found
        )
        elastic.resume_after_restart(Config(dict(work_dir=str(tmp_path), launcher="pytorch")))
        return [str(path)] == resumed

    mark = tmp_path / ".started_by_torchrun"
    return start, lambda seconds: os.utime(mark, (seconds, seconds)), mark


def test_a_restart_goes_on(launched):
    start, date, _ = launched
    assert not start(0)
    date(2000)
    assert start(1, checkpoint_age=2001)
    assert start(0, checkpoint_age=2001)  # a machine left: torchrun counts no restart


def test_what_an_earlier_run_has_left_does_not_count(launched):
    start, date, mark = launched
    assert not start(0, checkpoint_age=500)
    date(2000)
    assert not start(1, checkpoint_age=1999)
    assert not start(1)
    date(900)  # another launcher's
    assert not start(0, checkpoint_age=950)
    assert mark.stat().st_mtime > 2000  # it is written anew
    date(2000)
    mark.write_text("8\n")  # of another run, whatever its date
    assert not start(0, checkpoint_age=2001)


def test_a_link_as_mark_is_replaced_and_a_pipe_is_refused(launched, tmp_path):
    start, _, mark = launched
    other = tmp_path / "other.txt"
    other.write_text("kept")
    mark.symlink_to(other)
    assert not start(0)
    assert other.read_text() == "kept"
    assert mark.read_text() == "7\n"
    mark.unlink()
    os.mkfifo(mark)
    with pytest.raises(OSError, match="pipe, expected a file"):
        start(0)


def test_another_launcher_has_no_restarts(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    elastic.resume_after_restart(Config(dict(work_dir=str(tmp_path), launcher="slurm")))
    assert not list(tmp_path.iterdir())
