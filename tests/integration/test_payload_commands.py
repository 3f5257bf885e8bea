"""Hostile checkpoints, given to every command that reads one: nothing runs, nothing crashes."""

from __future__ import annotations

import json
import resource

import pytest
from commands import REPO, finish, start

pytestmark = pytest.mark.long

SCRIPT = REPO / "tests" / "helpers" / "payload_commands.py"
MEMORY = 10 << 30  # address space


@pytest.mark.parametrize("extent", ["quick", pytest.param("all", marks=pytest.mark.slow)])
def test_hostile_checkpoints_do_nothing(extent, trained, shapes, tmp_path):
    environment = {"PYTHONPATH": str(REPO)}
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, limits[1]))  # for the child
    try:
        process = start(
            SCRIPT, tmp_path, shapes, trained / "iter_80.pth", extent, environment=environment
        )
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    done = finish(process, 600 if extent == "quick" else 3600)
    assert done.code == 0, f"exit code {done.code}\n{done.err[-3000:]}"  # a signal is negative
    line = next(line for line in done.out.splitlines() if line.startswith("RESULT "))
    found = json.loads(line.removeprefix("RESULT "))
    assert len(found) >= (40 if extent == "quick" else 1500)
    wrong = {key: text for key, text in found.items() if text}
    assert not wrong, "\n\n".join(f"{key}\n{text}" for key, text in wrong.items())[:5000]
