"""The file that was meant."""

import pytest

from condinst.utils.near_files import did_you_mean


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("own1/own1.py", "own1/own2.txt", "work_dirs/own2/a.pth"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()


@pytest.mark.parametrize(
    ("path", "kind", "near"),
    [
        ("own1/owm1.py", "file", "own1/own1.py"),
        ("own3", "folder", "own1"),
        ("work_dirs/own2x", "folder", "work_dirs/own2"),
        ("work_dirs/own2x/", "folder", "work_dirs/own2"),
        ("own1/own2.tx", "any", "own1/own2.txt"),
    ],
)
def test_a_neighbor(path, kind, near):
    assert did_you_mean(path, kind) == f"; did you mean {near}?"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("own1/own2.py0", "file"),  # of another ending
        ("own3", "file"),
        ("own1/other.py", "file"),
        ("gone/own1.py", "file"),
        ("a\0b", "any"),
    ],
)
def test_no_neighbor(path, kind):
    assert did_you_mean(path, kind) == ""
