"""What mmengine's loggers write: no control characters, and UTF-8."""

import pytest
from mmengine.logging import MMLogger

HOSTILE = "a\x1b[31m\tb\x9b2J\r"
SHOWN = "a\\x1b[31m\tb\\x9b2J\\r"


@pytest.fixture
def make(tmp_path, request):
    """Makes the logger of a test, which has to begin after pytest captures the output."""
    made = []

    def make_logger():
        made.append(MMLogger(name=request.node.name, log_file=str(tmp_path / "run.log")))
        return made[0]

    yield make_logger
    for handler in made[0].handlers:
        handler.close()


def test_the_file_and_the_terminal_show_control_characters(make, tmp_path, capsys):
    make().info(f"class {HOSTILE}\nsecond line")
    out = capsys.readouterr().out
    for text in (out, (tmp_path / "run.log").read_text("utf-8")):
        assert text.endswith(f" - class {SHOWN}\nsecond line\n")
    assert "\x9b" not in out


def test_a_warning_has_only_one_line_at_the_left(make, tmp_path):
    make().warning("image a\n2026/01/01 00:00:00 - mmengine - ERROR - not one")
    lines = (tmp_path / "run.log").read_text("utf-8").splitlines()
    assert lines[1] == "  2026/01/01 00:00:00 - mmengine - ERROR - not one"


def test_the_traceback_of_an_error(make, tmp_path):
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        make().exception("failed")
    text = (tmp_path / "run.log").read_text("utf-8")
    assert f"ValueError: {SHOWN}" in text
    assert "\x1b" not in text


def test_names_of_every_encoding(make, tmp_path, capsys):
    make().info("größe 图 a\udcff")
    assert (tmp_path / "run.log").read_bytes().decode().endswith("größe 图 a\\udcff\n")
    assert "Logging error" not in capsys.readouterr().err
