"""An error of the disk that names no file gets the name of the one that was being written."""

import errno
import logging
import os

import pytest

from condinst.utils.files import names_file
from condinst.utils.written_file import disk_error_text


def refuse(number: int = errno.EFBIG) -> None:
    raise OSError(number, os.strerror(number))


def caught(work) -> OSError:
    with pytest.raises(OSError, match=".") as raised:
        work()
    return raised.value


def test_an_open_file_is_named(tmp_path):
    def write():
        with open(tmp_path / "some.json", "w") as stream:
            stream.write("")
            refuse()

    def write_path(path):
        refuse(errno.ENOSPC)

    text = disk_error_text(caught(lambda: write_path(tmp_path / "a.bin")))
    assert text == f"{tmp_path}/a.bin: cannot be written: No space left on device"
    text = disk_error_text(caught(write))  # although it is closed by now
    assert text == f"{tmp_path}/some.json: cannot be written: File too large"
    assert disk_error_text(caught(refuse)) == "a file cannot be written: File too large"


def test_the_file_of_a_log_is_named(tmp_path):
    def write():
        handler = logging.FileHandler(tmp_path / "some.log")
        try:
            refuse()
        finally:
            handler.close()

    text = disk_error_text(caught(write))
    assert text == f"{tmp_path}/some.log: cannot be written: File too large"


def test_no_folder_for_temporary_files(monkeypatch):
    """As Python says it, in the midst of a library's import or of reading a config."""
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    text = disk_error_text(error)
    assert text.startswith("temporary files cannot be written")
    assert "TMPDIR" in text


def test_an_error_with_a_name_and_other_errors_stay(tmp_path):
    assert disk_error_text(OSError(errno.EFBIG, "too large", "x.png")).endswith("'x.png'")
    named = OSError("x.png: cannot be written: full")
    named.errno = errno.ENOSPC
    assert disk_error_text(named) == "x.png: cannot be written: full"
    assert disk_error_text(FileNotFoundError(2, "none")) is None


def test_a_folder_that_was_moved_away(tmp_path):
    """Such as the work folder of a training that runs."""

    def write():
        with names_file(tmp_path / "run" / "some.json"), open(tmp_path / "run" / "some.json", "ab"):
            pass

    text = disk_error_text(caught(write))
    assert text == f"{tmp_path}/run/some.json: cannot be written: No such file or directory"
    assert disk_error_text(caught((tmp_path / "some.json").read_bytes)) is None
