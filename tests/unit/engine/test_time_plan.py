"""The arithmetic of a plan for a time."""

from __future__ import annotations

import pytest

from condinst.engine.time_plan import Marks, TimePlan


def run(plan: TimePlan, seconds: list[float], validation: float = 0.0) -> list[float]:
    """Let iterations take these seconds, plan before each, and return the positions."""
    positions, finished = [], 0
    while True:
        finished += 1
        plan.spent += seconds[min(finished, len(seconds)) - 1]
        if finished >= 3 and finished != plan.end:
            plan.replan(finished, seconds[min(finished, len(seconds)) - 1], validation)
        plan.advance(finished)
        positions.append(plan.position)
        if plan.end and plan.validations.is_due(finished, plan.end):
            plan.spent += validation
        if finished == plan.end:
            return positions


@pytest.mark.parametrize("length", [40, 100, 900])
def test_the_schedule_runs_out_on_time(length):
    plan = TimePlan(seconds=200, length=length)
    positions = run(plan, [2.0])
    assert len(positions) == 96  # 2 s each; 3 s and 2% of the time are kept for the report
    assert positions[-1] == length
    steps = [b - a for a, b in zip(positions[3:], positions[4:], strict=False)]
    assert max(steps) == pytest.approx(min(steps))


def test_the_warm_up_is_kept():
    positions = run(TimePlan(seconds=200, length=50, warmup=10), [2.0])
    assert positions[:10] == list(range(1, 11))
    # the 40 that are left are spread over the 86 iterations that are left
    assert positions[10] - positions[9] == pytest.approx(40 / 86)


def test_a_warm_up_that_is_too_long_takes_a_fifth():
    positions = run(TimePlan(seconds=200, length=5000, warmup=1000), [2.0])
    assert len(positions) == 96
    assert positions[18] < 1000 == positions[19]


def test_validations_are_planned_and_spread():
    plan = TimePlan(seconds=200, length=100, validations=Marks(4))
    places, finished = [], 0
    plan.replan(0, 1.0, validation=9.0)
    assert plan.end == 200 - 7 - 4 * 9
    while finished < plan.end:
        finished += 1
        if plan.validations.is_due(finished, plan.end):
            places.append(finished)
    assert places == [40, 79, 118, 157]


def test_validations_take_a_quarter_at_most():
    plan = TimePlan(seconds=200, length=100, validations=Marks(40))
    plan.replan(0, 1.0, validation=9.0)
    assert plan.validations.left == 5
    assert plan.end == 200 - 7 - 45


def test_a_validation_that_takes_too_long_comes_after_the_time():
    plan = TimePlan(seconds=200, length=100, validations=Marks(4))
    plan.replan(0, 1.0, validation=150.0)
    assert (plan.validations.left, plan.end) == (1, 193)


def test_a_machine_that_becomes_slower():
    """Half of the time at 1 s, then 3 s: fewer iterations, and still on time and to the end."""
    plan = TimePlan(seconds=200, length=100, validations=Marks(2))
    positions = run(plan, [1.0] * 98 + [3.0] * 500, validation=2.0)
    assert positions[-1] == 100
    assert 190 < plan.spent <= 200
    assert len(positions) == pytest.approx(98 + (193 - 98 - 4) / 3, abs=2)
    assert positions == sorted(positions)


def test_no_time_is_left():
    plan = TimePlan(seconds=2, length=100, validations=Marks(3), checkpoints=Marks(3))
    positions = run(plan, [5.0])
    assert positions[-1] == 100
    assert len(positions) == 4  # three to measure, one to end


def test_marks_take_the_nearest_epoch():
    marks, epochs = Marks(3), []
    for finished in range(10, 71, 10):
        if marks.is_due(finished, 70, spacing=10):
            epochs.append(finished)
    assert epochs == [20, 50, 70]  # wanted after 24 and, from 20 on, 45


def test_a_plan_is_read_back():
    plan = TimePlan(60, 90, 5, 7.5, 80, 12.0, 1, Marks(3, 10), Marks(2, 20))
    assert TimePlan.from_state(plan.state(), 90) == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(seconds="1"), "seconds is '1'"),
        (dict(end=None), "end is None"),
        (dict(spent=float("nan")), "spent is nan"),
        (dict(position=91), "position is 91, beyond the schedule's 90"),
        (dict(length=100), "has 100 iterations there, and 90 in the config"),
        (dict(validations=3), "left is None"),
        (dict(checkpoints=dict(left=-1, last=0)), "left is -1"),
    ],
)
def test_a_damaged_plan(change, message):
    state = TimePlan(60, 90).state() | change
    with pytest.raises(ValueError, match=message):
        TimePlan.from_state(state, 90)


def test_a_state_that_is_none():
    with pytest.raises(ValueError, match="seconds is None"):
        TimePlan.from_state("x", 90)
