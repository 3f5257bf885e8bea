"""One training at a time in a work folder."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from condinst.engine.run_lock import FolderInUse, lock_work_dir

fcntl = pytest.importorskip("fcntl")

HOLD = """
import os, sys, time
from condinst.engine.run_lock import lock_work_dir
with lock_work_dir(sys.argv[1]):
    if os.fork() == 0:  # a data worker, which outlives the run
        os.close(1)
        time.sleep(20)
        os._exit(0)
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that runs in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "has it\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.long
def test_the_second_is_refused_by_the_name_of_the_first(tmp_path, other):
    today = time.strftime("%Y-%m-%d")
    refusal = rf"work_dir {tmp_path}: another training .* process {other.pid} on .*{today}"
    for _ in range(2):  # and being refused harms nothing
        with pytest.raises(FolderInUse, match=refusal), lock_work_dir(tmp_path):
            pass


@pytest.mark.long
def test_what_a_killed_run_leaves_locks_nobody_out(tmp_path, other):
    """Not even while a process that it has forked is still there."""
    other.kill()
    other.wait()
    with lock_work_dir(tmp_path) as problem:
        assert problem is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"host": {}}', "\x00" * 2000, '{"since": NaN}']
)
def test_the_file_s_content_does_not_matter(tmp_path, content):
    (tmp_path / ".training.lock").write_text(content)
    with lock_work_dir(tmp_path) as problem:
        assert problem is None
        assert str(os.getpid()) in (tmp_path / ".training.lock").read_text()
    with lock_work_dir(tmp_path / "new" / "folder") as problem:
        assert problem is None


@pytest.mark.parametrize("kind", ["link", "dangling", "device", "pipe"])
def test_what_is_no_file_in_the_place_of_the_lock_is_replaced(tmp_path, kind):
    """In a folder from elsewhere, a link may lead to any file of the user."""
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.write_text("mine")
    folder.mkdir()
    place = folder / ".training.lock"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        targets = {"link": outside, "dangling": tmp_path / "none", "device": "/dev/zero"}
        place.symlink_to(targets[kind])
    with lock_work_dir(folder) as problem:
        assert problem is None
        assert str(os.getpid()) in place.read_text()
    assert not place.is_symlink()
    assert outside.read_text() == "mine"
    assert not (tmp_path / "none").exists()


def test_without_locks_a_run_goes_on_unprotected(tmp_path, monkeypatch):
    def lockf(file, kind):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with lock_work_dir(tmp_path) as problem:
        assert "No locks available" in problem
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".training.lock").mkdir()
    with lock_work_dir(tmp_path / "folder") as problem:
        assert "Is a directory" in problem
