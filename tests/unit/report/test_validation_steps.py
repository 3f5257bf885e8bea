"""Test where validations stand in the logs of older trainings; all expected values by hand."""

import json

import pytest

from condinst.report.curves import read_curves
from condinst.report.validation_steps import (
    ValidationSchedule,
    place_records,
    read_logging_interval,
    read_schedule,
)


def train(iteration):
    return {"loss": 1.0, "iter": iteration, "step": iteration}


def val(step=0):
    return {"coco/segm_mAP": 0.5, "step": step}


def steps(records, schedule):
    return [i for i, record in place_records(records, schedule) if "iter" not in record]


EVERY_50 = ValidationSchedule(50, 300)


@pytest.mark.parametrize(
    ("records", "schedule", "expected"),
    [
        # logged every 20, validated every 50
        (
            [train(40), val(), train(60), train(100), val(), train(140), val()],
            EVERY_50,
            [50, 100, 150],
        ),
        # several validations between two records
        ([train(100), val(), val(), train(200)], EVERY_50, [100, 150]),
        # more records than validations between two records: their place in the log
        ([train(100), val(), val(), val(), train(200)], EVERY_50, [100, 100, 100]),
        # the last validation is at the end, which is no multiple
        ([train(300), val(), train(320), val()], ValidationSchedule(150, 333), [300, 333]),
        # a resumed training logs nothing before its first validations: they are the last before
        ([val(), train(260)], EVERY_50, [250]),
        ([val(), val(), train(260)], EVERY_50, [200, 250]),
        # a step that is an iteration is taken as it is, also after a multiple of the interval
        ([train(140), val(155), train(160), val(160)], EVERY_50, [155, 160]),
        # nothing fits: the place in the log
        ([train(310), val(), train(320)], EVERY_50, [310]),
        # without a schedule: epochs
        ([train(70), val(1), train(140), val(2)], None, [70, 140]),
    ],
)
def test_by_hand(records, schedule, expected):
    assert steps(records, schedule) == expected


def test_every_interval_against_a_simulated_training():
    """mmengine's loop and LoggerHook, simulated: validate at multiples and at the end."""
    for logged in (3, 7, 10):
        for interval in (1, 2, 5, 9, 30):
            records, expected = [], []
            for i in range(1, 41):
                if i % logged == 0:
                    records.append(train(i))
                if i % interval == 0 or i == 40:
                    records.append(val())
                    expected.append(i)
            assert steps(records, ValidationSchedule(interval, 40)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "train_cfg = dict(type='IterBasedTrainLoop', max_iters=60, val_interval=20)",
            ValidationSchedule(20, 60),
        ),
        ("a = 1\ntrain_cfg = {'max_iters': 5000}", ValidationSchedule(1000, 5000)),
        ("train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)", None),
        ("train_cfg = dict(max_iters=60, val_interval=20, dynamic_intervals=[(30, 5)])", None),
        ("train_cfg = dict(max_iters=60, val_interval=0)", None),
        ("train_cfg = dict(max_iters=60, val_interval='5')", None),
        ("train_cfg = __import__('os').getpid()", None),
        ("train_cfg = (", None),
        ("import os", None),
    ],
)
def test_the_schedule_is_read_and_nothing_is_run(tmp_path, text, expected):
    (tmp_path / "config.py").write_text(text)
    assert read_schedule(tmp_path / "config.py") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default_hooks = dict(logger=dict(interval=20, type='LoggerHook'))", 20),
        ("default_hooks = dict(logger=dict(type='LoggerHook'))", 10),  # LoggerHook's default
        ("default_hooks = dict(logger=None)", 10),
        ("default_hooks = [(", 10),
        ("a = 1", 10),
    ],
)
def test_the_logging_interval(tmp_path, text, expected):
    (tmp_path / "config.py").write_text(text)
    assert read_logging_interval(tmp_path / "config.py") == expected


def test_no_config(tmp_path):
    assert read_schedule(tmp_path / "config.py") is None
    assert read_logging_interval(tmp_path / "config.py") == 10


def test_huge_numbers_take_no_time():
    assert steps([train(7), val(), train(10**18)], ValidationSchedule(1, 10**18)) == [7]


def test_curves_of_an_older_training_that_was_resumed(tmp_path):
    """The validation at 150 is done twice, since the run is resumed from 140; it counts once."""
    config = "train_cfg = dict(max_iters=300, val_interval=50)"
    starts = {
        "a": [train(40), val(), train(60), train(100), val(), train(140), val(), train(160)],
        "b": [val(), train(160), train(200), val()],
    }
    for name, records in starts.items():
        folder = tmp_path / name / "vis_data"
        folder.mkdir(parents=True)
        (folder / "config.py").write_text(config)
        (folder / "scalars.json").write_text("\n".join(map(json.dumps, records)))
    found = read_curves(tmp_path)
    assert [i for i, _ in found.metrics["coco/segm_mAP"]] == [50, 100, 150, 200]
    assert [i for i, _ in found.losses["loss"]] == [40, 60, 100, 140, 160, 200]
