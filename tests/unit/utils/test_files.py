"""Files are written whole or not at all, and errors name them."""

import errno
import os
from pathlib import Path

import pytest

from condinst.utils.files import names_file, read_regular, replacing, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def full(monkeypatch):
    """Every write of bytes puts half of them down, and says that the disk is full."""
    plain = Path.write_bytes

    def write(path, data):
        plain(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write)


def test_text_and_bytes_arrive_as_they_are(tmp_path):
    write_whole(tmp_path / "new" / "a.txt", "ü\r\n")
    write_whole(tmp_path / "new" / "b", b"\0\xff")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ü\r\n".encode()
    assert (tmp_path / "new" / "b").read_bytes() == b"\0\xff"
    assert names(tmp_path / "new") == ["a.txt", "b"]


def test_a_full_disk_is_told_by_the_files_name_and_leaves_the_old_file(tmp_path, full):
    (tmp_path / "old.txt").write_text("old")
    for name in ("old.txt", "new.txt"):
        with pytest.raises(OSError, match=f"{name}: cannot be written: No space left") as caught:
            write_whole(tmp_path / name, "what is new")
        assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def half(folder: Path, error: BaseException) -> None:
    with replacing(folder / "a.json", ".py") as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".py"
        raise error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_ends_the_block_nothing_is_left(tmp_path, kind):
    with pytest.raises(kind, match="of the block"):
        half(tmp_path, kind("of the block"))
    assert names(tmp_path) == []


def test_an_error_of_a_file_that_is_read_meanwhile_keeps_its_own_name(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"No such file.*source\.txt"),
        replacing(tmp_path / "a.json"),
    ):
        (tmp_path / "source.txt").read_text()


def test_links_in_the_place_of_the_file_and_of_its_temporary_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").symlink_to(outside)
    (folder / "a.txt.partial").symlink_to(outside)
    write_whole(folder / "a.txt", "new")
    assert outside.read_text() == "mine"
    assert (folder / "a.txt").read_text() == "new"
    assert not (folder / "a.txt").is_symlink()


def test_two_writers_of_one_file(tmp_path):
    """As two tests of one work folder; here within a process, as a lock is of an open file."""
    path = tmp_path / "a.txt"
    with replacing(path) as first:
        with replacing(path) as second:
            assert second != first
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "second"
        with pytest.raises(KeyError), replacing(path) as third:
            raise KeyError
        assert not third.exists()
        assert first.exists()
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("left", ["killed", "pipe", "read-only"])
def test_what_lies_in_the_place_of_the_temporary_is_replaced(tmp_path, left):
    temporary = tmp_path / "a.txt.partial"
    if left == "pipe":
        os.mkfifo(temporary)
    else:
        temporary.write_text("half of a longer text")
        temporary.chmod(0o444 if left == "read-only" else 0o644)
    write_whole(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert names(tmp_path) == ["a.txt"]


def test_the_longest_name_of_a_file_system(tmp_path):
    name = "n" * 251 + ".txt"
    write_whole(tmp_path / name, "whole")
    assert names(tmp_path) == [name]


def test_a_folder_where_the_file_should_be(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt: cannot be written: Is a directory"):
        write_whole(tmp_path / "a.txt", "text")
    assert names(tmp_path) == ["a.txt"]


def test_a_library_that_says_runtime_error_for_a_full_disk(tmp_path, monkeypatch):
    def usage(folder):
        return type("Usage", (), {"free": 0})

    monkeypatch.setattr("shutil.disk_usage", usage)
    with (
        pytest.raises(OSError, match=r"a\.pth: cannot be written: No space left"),
        names_file(tmp_path / "a.pth"),
    ):
        raise RuntimeError("PytorchStreamWriter failed")
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="a bug"), names_file(tmp_path / "a.pth"):
        raise RuntimeError("a bug")


def test_a_name_that_is_not_utf_8_can_be_written_in_a_file(tmp_path):
    write_whole(tmp_path / "a.py", "name = 'a\udcffü'")
    assert (tmp_path / "a.py").read_text("utf-8") == "name = 'a\\udcffü'"


def test_only_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a pipe, expected a file"):
        read_regular(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a device, expected a file"):
        read_regular("/dev/zero")
    with pytest.raises(ValueError, match="is a folder, expected a file"):
        read_regular(tmp_path)


def test_a_pipe_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match=r"pipe: cannot be written: is a device or pipe, expected"):
        write_whole(pipe, "text")
    assert pipe.is_fifo()
