"""Which checkpoints may be tested with which model."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseTTAModel
from torch import nn

from condinst.engine import CompleteCheckpointHook


def load(model, checkpoint) -> None:
    runner = SimpleNamespace(model=model, _load_from="file.pth")
    CompleteCheckpointHook().after_load_checkpoint(runner, checkpoint)


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def test_whole_checkpoints_pass(model):
    weights = model.state_dict()
    load(model, {"state_dict": weights, "meta": {}})
    load(model, dict(weights))  # nothing but weights
    load(model, {"state_dict": {f"module.{name}": w for name, w in weights.items()}})
    load(model, {"state_dict": {**weights, "more": torch.zeros(1)}})
    del weights["1.num_batches_tracked"]
    load(model, {"state_dict": weights})


def test_the_model_inside_a_wrapper_is_meant(model):
    class TTA(BaseTTAModel):
        def __init__(self, module):
            nn.Module.__init__(self)
            self.module = module

        def merge_preds(self, data_samples_list):
            raise NotImplementedError

    load(TTA(model), {"state_dict": model.state_dict()})


def test_what_is_missing_or_has_another_shape_is_named(model):
    weights = model.state_dict()
    del weights["0.bias"]
    weights["1.weight"] = torch.zeros(5)
    message = (
        r"file\.pth: does not fit .* 2 of its 6 weights .*: "
        r"0\.bias \(missing, expected \(4,\)\), 1\.weight \(\(5,\), expected \(4,\)\)$"
    )
    with pytest.raises(ValueError, match=message):
        load(model, {"state_dict": weights})
