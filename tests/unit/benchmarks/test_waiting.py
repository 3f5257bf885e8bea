"""The comparison of sleeping and spinning threads."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest

from benchmarks import waiting


def test_each_process_gets_its_policy_and_no_other_choice(monkeypatch):
    seen = {}

    def run(command, env, **options):
        seen.update(env)
        return SimpleNamespace(stdout="a line of a library\n0.25\n")

    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    monkeypatch.setattr(subprocess, "run", run)
    assert waiting.measure("ACTIVE", threads=2, steps=3) == 0.25
    assert (seen["OMP_WAIT_POLICY"], seen["OMP_NUM_THREADS"]) == ("ACTIVE", "2")
    assert "GOMP_SPINCOUNT" not in seen
    assert "GOMP_SPINCOUNT" in os.environ


def test_the_policies_take_turns_and_the_ratio_is_that_of_the_medians(monkeypatch, capsys):
    order = []

    def measure(policy, threads, steps):
        order.append(policy)
        return {"ACTIVE": 3.0, "PASSIVE": 1.5}[policy]

    monkeypatch.setattr(waiting, "measure", measure)
    waiting.main(["--rounds", "2"])
    assert order == ["PASSIVE", "ACTIVE", "ACTIVE", "PASSIVE"]
    last = capsys.readouterr().out.splitlines()[-1]
    assert "spinning takes 2.00 times as long (2.00 to 2.00)" in last


def test_busy_processes_end_with_the_block(monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a: started.append(popen(*a)) or started[-1])

    def fail():
        assert started[0].poll() is None
        raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"), waiting.busy(1):
        fail()
    assert started[0].poll() is not None
