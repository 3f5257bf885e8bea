"""The times until commands say something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.first_line import commands, main
from condinst.cli.main import main as condinst


@pytest.mark.long
def test_the_table_has_the_commands_that_were_asked_for(tmp_path, capfd):
    main(["--data", str(tmp_path), "--runs", "2", "--only", "list", "a misspelt command"])
    _, _, *rows = capfd.readouterr().out.splitlines()
    numbers = [re.fullmatch(r"\| (.+) \| (\d+\.\d\d) \| (\d+\.\d\d) \|", row) for row in rows]
    assert sorted(found[1] for found in numbers) == ["a misspelt command", "list"]
    for found in numbers:  # a Python interpreter takes a few hundredths of a second to start
        assert 0.01 < float(found[2]) < 60
        assert 0.01 < float(found[3]) < 60


def test_every_command_exists():
    known = {words[0] for words in commands(Path("data")).values()} - {"--help", "trian"}
    for word in known:
        assert condinst([word, "--help"]) == 0
    assert condinst(["trian"]) != 0
