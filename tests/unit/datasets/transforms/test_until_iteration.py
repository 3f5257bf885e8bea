"""The last images of a training lack the transforms, whatever the workers load ahead."""

from __future__ import annotations

import pytest
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from condinst.compat import batches
from condinst.compat.batches import BatchPlan, planned_batches
from condinst.datasets import UntilIteration
from condinst.datasets.checks.steps import flat_steps
from condinst.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AddOneForTheTest:
    def __call__(self, results):
        return dict(results, value=results["value"] + 1)


STEP = dict(type="UntilIteration", iteration=3, transforms=[dict(type="AddOneForTheTest")])


class Images:
    def __init__(self):
        with DefaultScope.overwrite_default_scope("condinst"):
            self.step = TRANSFORMS.build(STEP)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.step(dict(value=10 * index))["value"]


def values_of(plan, workers):
    loader = DataLoader(Images(), batch_size=2, num_workers=workers, collate_fn=list)
    planned_batches(loader).begin(plan)
    found = []
    for values in loader:
        found.append(values)
        if len(found) == 5:
            break
    return found


@pytest.fixture(autouse=True)
def outside_of_a_training(monkeypatch):
    monkeypatch.setattr(batches, "_loading", [])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_before_the_iteration_and_from_it_on(workers):
    expected = [[1, 11], [21, 31], [1, 11], [20, 30], [0, 10]]
    assert values_of(BatchPlan(seed=0, iteration=0, endless=True), workers) == expected


def test_a_resumed_training_goes_on_as_if_it_had_not_stopped():
    plan = BatchPlan(seed=0, iteration=2, skip=2, endless=True)
    assert values_of(plan, 0)[:3] == [[1, 11], [20, 30], [0, 10]]


def test_outside_of_a_training_they_are_applied():
    assert Images()[0] == 1


def test_the_data_check_looks_into_it():
    assert [step["type"] for step in flat_steps([STEP])] == ["UntilIteration", "AddOneForTheTest"]
    with pytest.raises(ValueError, match="iteration=-1: expected 0 or more"):
        UntilIteration([], -1)
