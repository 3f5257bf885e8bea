"""The commands let OpenMP's threads sleep while they wait, unless the user has chosen."""

import os
import subprocess
import sys

import pytest

from condinst.doctor import machine
from condinst.utils.threads import sleeps_while_waiting, wait_passively

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.fixture
def environment(monkeypatch):
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return monkeypatch


def test_passive_by_default(environment):
    assert not sleeps_while_waiting()
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert sleeps_while_waiting()
    environment.delenv("OMP_WAIT_POLICY")  # undone by the fixture otherwise only if it had been set


@pytest.mark.parametrize(
    ("name", "value", "sleeps"),
    [
        ("OMP_WAIT_POLICY", "active", False),
        ("OMP_WAIT_POLICY", "passive", True),
        ("GOMP_SPINCOUNT", "1000", False),
        ("GOMP_SPINCOUNT", "0", True),
        ("KMP_BLOCKTIME", "200", False),
        ("KMP_BLOCKTIME", "0", True),
    ],
)
def test_the_users_choice_stays(environment, name, value, sleeps):
    environment.setenv(name, value)
    wait_passively()
    assert {each: os.environ[each] for each in CHOICES if each in os.environ} == {name: value}
    assert sleeps_while_waiting() is sleeps


def test_too_late_once_pytorch_is_there(environment):
    environment.setitem(sys.modules, "torch", object())
    wait_passively()
    assert "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.parametrize(
    "start",
    [
        "from condinst.__main__ import start; start()",
        "from condinst.cli import errors, train; errors.run(lambda: None)",  # as tools/train.py
    ],
)
def test_every_command_sets_it_before_pytorch(environment, start):
    code = (
        f"import os, sys; sys.argv = ['condinst', '--version']; {start}; "
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["PASSIVE", "False"]


@pytest.mark.parametrize(
    ("count", "policy", "status", "advice"),
    [
        (1, "ACTIVE", "ok", ""),
        (2, "PASSIVE", "ok", ""),
        (2, "ACTIVE", "warning", "OMP_WAIT_POLICY=PASSIVE"),
        (99, "PASSIVE", "warning", "OMP_NUM_THREADS=2"),
    ],
)
def test_the_doctor_says_so(monkeypatch, count, policy, status, advice):
    monkeypatch.setattr("torch.get_num_threads", lambda: count)
    monkeypatch.setattr(machine, "num_cpus", lambda: 2)
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    (found,) = (f for f in machine.check(machine.Path(".")) if f.name == "threads")
    assert found.status == status
    assert str(count) in found.value
    assert ("sleep" if policy == "PASSIVE" else "spin") in found.value
    assert advice in found.advice
    assert bool(found.advice) == bool(advice)
