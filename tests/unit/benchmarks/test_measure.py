"""What the benchmark says of two functions whose cost is known."""

import importlib.metadata
import json
import subprocess
import sys
import time

import pytest

from benchmarks import measure
from benchmarks.measure import Comparison, compare
from benchmarks.report import as_line, as_markdown, write_report

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def test_ratio_is_that_of_the_medians_and_the_interval_holds_it():
    found = Comparison("part", [4.0, 5.0, 90.0], [1.0, 2.0, 3.0])
    assert found.ratio == 2.5
    low, high = found.spread
    assert 4 / 3 <= low <= 2.5 <= high <= 90


def test_equal_rounds_leave_no_spread():
    assert Comparison("part", [6.0] * 5, [2.0] * 5).spread == (3, 3)


def test_functions_take_turns_and_warmup_does_not_count(monkeypatch):
    calls = []
    clock = iter(range(1000))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    found = compare(
        "part", lambda: calls.append("a"), lambda: calls.append("b"), rounds=3, warmup=1
    )
    assert calls == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert len(found.theirs) == len(found.ours) == 3


def test_a_function_that_waits_twice_as_long_is_seen():
    found = compare("part", lambda: time.sleep(0.04), lambda: time.sleep(0.02), rounds=5)
    assert found.ratio == pytest.approx(2, rel=0.2)


PEAKS = """
import torch
from benchmarks.measure import compare_peaks, peak_memory

def one_after_the_other():
    for _ in range(3):
        torch.ones(20_000_000)

def at_once():
    return torch.ones(20_000_000), torch.ones(20_000_000)

found = compare_peaks("part", at_once, one_after_the_other, rounds=2)
print(peak_memory(one_after_the_other), peak_memory(at_once), found.ratio)
"""


@linux
def test_peak_is_what_was_held_at_once_not_what_is_left():
    """Three times 80 MB one after the other, then twice at once; nothing stays.

    In a process of its own: what a test run has freed before can serve the next allocation.
    """
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    single, double, ratio = map(float, done.stdout.split())
    assert single == pytest.approx(80e6, rel=0.15)
    assert double == pytest.approx(160e6, rel=0.15)
    assert ratio == pytest.approx(2, rel=0.2)


def test_report_says_ratio_bar_and_machine(tmp_path):
    results = [
        Comparison("fast part", [4.0], [1.0], bar=2.0, note="the same answers"),
        Comparison("lean part", [3e6], [2e6], unit="B", bar=2.0, against="pycocotools"),
    ]
    assert "4.00x [4.00, 4.00]" in as_line(results[0])
    assert "bar 2.00: reached" in as_line(results[0])
    assert "bar 2.00: MISSED" in as_line(results[1])
    assert "| lean part | pycocotools | **1.50** |" in as_markdown(results)
    paths = write_report(tmp_path / "out", "name", results, "cpu", "python tools/benchmark.py x")
    content = json.loads(paths[0].read_text())
    assert content["machine"]["torch"] == importlib.metadata.version("torch")
    assert content["results"][0]["theirs"] == [4.0]
    assert [path.suffix for path in paths] == [".json", ".md", ".png"]
    assert paths[2].stat().st_size > 5000


def test_every_call_begins_once_and_the_warm_up_is_not_counted(monkeypatch):
    clock = [0.0]
    called = []

    def call(name: str, seconds: float):
        def run() -> None:
            called.append(name)
            clock[0] += seconds

        return run

    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock[0])
    calls = {"a": call("a", 1.0), "b": call("b", 2.0), "c": call("c", 4.0)}
    times = measure.in_turns(calls, rounds=3, warmup=1)
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [4.0] * 3}
    assert "".join(called) == "cab" + "abc" + "bca" + "cab"
