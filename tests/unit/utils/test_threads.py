"""Commands let OpenMP's threads sleep where others compute, unless the user has chosen."""

import os
import subprocess
import sys

import pytest

from condinst.doctor import machine
from condinst.utils import threads
from condinst.utils.threads import others_compute, sleeps_while_waiting, wait_passively

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.fixture
def environment(monkeypatch):
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return monkeypatch


# /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
def _stat(busy, idle):
    return f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n"


@pytest.fixture
def processors(environment, tmp_path):
    """Let the processors count some busy and idle ticks while they are watched."""
    file = tmp_path / "stat"
    environment.setattr(threads, "_STAT", file)
    environment.setattr(os, "getloadavg", lambda: (1.0, 1.0, 1.0))

    def count(busy, idle):
        file.write_text(_stat(100, 1000))
        after = _stat(100 + busy, 1000 + idle)
        environment.setattr(threads.time, "sleep", lambda seconds: file.write_text(after))

    return count


@pytest.mark.parametrize(
    ("busy", "idle", "found"), [(0, 10, False), (1, 9, False), (2, 8, True), (10, 0, True)]
)
def test_the_share_of_the_processors_that_others_use(processors, busy, idle, found):
    processors(busy, idle)
    assert others_compute() is found


def test_nothing_is_watched_after_a_minute_of_rest(processors, monkeypatch):
    processors(10, 0)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.49, 9.0, 9.0))
    assert not others_compute()


@pytest.mark.parametrize("text", [None, "", "cpu none\n"])
def test_without_the_counters_threads_spin(processors, monkeypatch, tmp_path, text):
    monkeypatch.setattr(threads, "_STAT", tmp_path / "other")
    if text is not None:
        (tmp_path / "other").write_text(text)
    monkeypatch.setattr(threads.time, "sleep", lambda seconds: None)
    assert not others_compute()


def test_no_load_on_windows(processors, monkeypatch):
    processors(10, 0)
    monkeypatch.delattr(os, "getloadavg")
    assert not others_compute()


def test_spinning_on_an_idle_machine(environment):
    environment.setattr(threads, "others_compute", lambda: False)
    wait_passively()
    assert not [name for name in CHOICES if name in os.environ]


def test_passive_beside_others(environment):
    environment.setattr(threads, "others_compute", lambda: True)
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
    environment.setattr(threads, "others_compute", lambda: True)
    environment.setenv(name, value)
    wait_passively()
    assert {each: os.environ[each] for each in CHOICES if each in os.environ} == {name: value}
    assert sleeps_while_waiting() is sleeps


def test_too_late_once_pytorch_is_there(environment):
    environment.setattr(threads, "others_compute", lambda: True)
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
        "import condinst.utils.threads as threads; threads.others_compute = lambda: True; "
        f"import os, sys; sys.argv = ['condinst', '--version']; {start}; "
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["PASSIVE", "False"]


@pytest.mark.parametrize(
    ("count", "policy", "others", "status", "advice"),
    [
        (1, "ACTIVE", True, "ok", ""),
        (2, "PASSIVE", True, "ok", ""),
        (2, "ACTIVE", False, "ok", ""),
        (2, "ACTIVE", True, "warning", "OMP_WAIT_POLICY=PASSIVE"),
        (99, "PASSIVE", True, "warning", "OMP_NUM_THREADS=2"),
    ],
)
def test_the_doctor_says_so(monkeypatch, count, policy, others, status, advice):
    monkeypatch.setattr(machine, "others_compute", lambda: others)
    monkeypatch.setattr("torch.get_num_threads", lambda: count)
    monkeypatch.setattr(machine, "num_cpus", lambda: 2)
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    (found,) = (f for f in machine.check(machine.Path(".")) if f.name == "threads")
    assert found.status == status
    assert str(count) in found.value
    assert ("sleep" if policy == "PASSIVE" else "spin") in found.value
    assert advice in found.advice
    assert bool(found.advice) == bool(advice)
