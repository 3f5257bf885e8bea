"""Test the message where an optional package cannot be imported."""

import sys

import pytest

from condinst.utils.optional import import_failure


@pytest.fixture
def failure(tmp_path, monkeypatch):
    """Return failure(lines), the message where the package ``extra_part`` has these lines."""

    def message(lines):
        if lines is not None:
            (tmp_path / "extra_part.py").write_text(lines)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "extra_part", raising=False)
        try:
            import extra_part  # noqa: F401
        except ImportError as error:
            return str(import_failure("This needs Extra", "extra_part", "install it", error))
        raise AssertionError("imported")

    return message


def test_a_missing_package(failure):
    assert failure(None) == "This needs Extra: install it"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("import its_own_part", "No module named 'its_own_part'"),
        ("raise ImportError('libGL.so.1: not found')", "libGL.so.1: not found"),
        ("from sys import nothing_so", "cannot import name 'nothing_so' from 'sys'"),
    ],
)
def test_a_package_that_is_there(failure, lines, text):
    assert failure(lines).startswith(
        f"This needs Extra, which is installed and cannot be imported: {text}"
    )
