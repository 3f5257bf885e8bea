"""Which checkpoints may be tested with which model."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseTTAModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from condinst.engine import CompleteCheckpointHook
from condinst.engine.checkpoint_hook import MatchingResumeHook


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


def resume(model, checkpoint, optimizer="AdamW", resumed=True) -> None:
    """What mmengine's Runner does: its hook, the optimizer's state, its hook again."""
    runner = Runner.__new__(Runner)
    runner.model, runner._load_from, runner._resume = model, "file.pth", resumed
    runner.optim_wrapper = OptimWrapper(getattr(torch.optim, optimizer)(model.parameters(), 0.1))
    hook = MatchingResumeHook()
    hook.after_load_checkpoint(runner, checkpoint)
    if resumed and "optimizer" in checkpoint:
        runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
    hook.before_train(runner)


def state(model, optimizer="AdamW") -> dict:
    optimizer = getattr(torch.optim, optimizer)(model.parameters(), 0.1)
    return {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}


def test_a_training_resumes_from_its_own_checkpoint(model):
    resume(model, state(model))
    resume(model, {"state_dict": model.state_dict()})
    resume(model, {"state_dict": {}}, resumed=False)  # load_from may bring a part of the weights


@pytest.mark.parametrize("optimizer", ["AdamW", "Adam", "SGD"])
def test_the_state_of_an_older_torch_is_taken(model, optimizer):
    """Its groups lack the settings that torch has had since: torch 1.10's have these alone."""
    checkpoint = state(model, optimizer)
    known = {"params", "lr", "betas", "eps", "weight_decay", "amsgrad", "momentum", "dampening"}
    (group,) = checkpoint["optimizer"]["param_groups"]
    for name in set(group) - known - {"nesterov"}:
        del group[name]
    resume(model, checkpoint, optimizer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["state_dict"].clear(), "file.pth: does not fit the config's model"),
        (lambda c: c["state_dict"].update({"0.bias": torch.zeros(5)}), "0.bias .*expected .4,"),
        (
            lambda c: c["state_dict"]["0.bias"].fill_(float("nan")),
            "0.bias holds numbers that are not finite",
        ),
        (lambda c: c["optimizer"]["param_groups"].append({}), "number of parameter groups"),
        (lambda c: c["optimizer"]["param_groups"][0].update(lr="high"), "lr is 'high'"),
        (lambda c: c["optimizer"]["param_groups"][0].update(lr=float("nan")), "lr is nan"),
    ],
)
def test_another_model_or_optimizer_is_refused(model, change, message):
    checkpoint = state(model)
    checkpoint["state_dict"] = {k: v.clone() for k, v in checkpoint["state_dict"].items()}
    change(checkpoint)
    with pytest.raises(ValueError, match=message):
        resume(model, checkpoint)


def test_the_state_of_another_optimizer_is_refused(model):
    with pytest.raises(ValueError, match="its optimizer has no 'momentum', which SGD needs"):
        resume(model, state(model), optimizer="SGD")
