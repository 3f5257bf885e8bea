"""The benchmark of exported files: the turns, and that a whole run agrees."""

import pytest

from benchmarks import deploy
from benchmarks.models import Context

pytestmark = pytest.mark.long


def test_every_call_begins_once_and_the_warm_up_is_not_counted(monkeypatch):
    clock = [0.0]
    called = []

    def call(name: str, seconds: float):
        def run() -> None:
            called.append(name)
            clock[0] += seconds

        return run

    monkeypatch.setattr(deploy.time, "perf_counter", lambda: clock[0])
    calls = {"a": call("a", 1.0), "b": call("b", 2.0), "c": call("c", 4.0)}
    times = deploy.in_turns(calls, rounds=3, warmup=1)
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [4.0] * 3}
    assert "".join(called) == "cab" + "abc" + "bca" + "cab"


@pytest.mark.slow
def test_a_run_agrees(datasets):
    """It asserts by itself that files in float32 find the eager model's instances."""
    found = deploy.run(Context(datasets / "coco_tiny", rounds=1, num_images=1))
    assert [c.bar for c in found if c.bar] == [1.6, 2.5]
    assert len({(c.name, c.against) for c in found}) == len(found) == 7
