"""Messages of the system, without their numbers."""

import errno
import os

import pytest

from condinst.utils.words import without_error_numbers

DENIED = os.strerror(errno.EACCES)


@pytest.mark.parametrize("name", ["/a/b.png", "a'b", 'a"b', "a'b\"c", "a\nb", "a\udcff", b"/a"])
def test_the_file_comes_first(name):
    text = str(OSError(errno.EACCES, DENIED, name))
    assert text.startswith("[Errno 13] ")
    assert without_error_numbers(text) == f"{os.fsdecode(name)}: {DENIED}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (str(OSError(errno.EIO, "Input/output error")), "Input/output error"),
        (str(OSError(errno.EXDEV, "cross", "/a", None, "/b")), "/a -> /b: cross"),
        ("image file /a.png: [Errno 5] lost: '/a.png'; see", "image file /a.png: lost; see"),
        ("<urlopen error [Errno -2] Name not known>", "<urlopen error Name not known>"),
        ("[Errno 1] a: 'x' and [Errno 2] b: 'y'", "x: a and y: b"),
        ("[WinError 5] denied: 'C:\\\\a'", "C:\\a: denied"),
        ("[Errno 9] bad descriptor: 5", "bad descriptor: 5"),
        ("nothing of the system: 'x'", "nothing of the system: 'x'"),
    ],
)
def test_other_messages(text, expected):
    assert without_error_numbers(text) == expected
