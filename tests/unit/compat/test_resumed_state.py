"""States of optimizers and schedulers that do not fit are refused before they are used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper

from condinst.compat.resumed_state import check_optimizer, check_schedulers, scheduler_states


def trained(kind: Any, **settings: Any) -> torch.optim.Optimizer:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = kind(model.parameters(), lr=0.1, **settings)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(torch.optim.AdamW, {}), (torch.optim.SGD, {"momentum": 0.9}), (torch.optim.SGD, {}),
     (torch.optim.Adagrad, {}), (torch.optim.RMSprop, {"momentum": 0.5}),
     (torch.optim.AdamW, {"amsgrad": True}), (torch.optim.Adadelta, {}), (torch.optim.NAdam, {})],
)  # fmt: skip
def test_real_states_pass(kind, settings):
    old = trained(kind, **settings)
    new = trained(kind, **settings)
    new.load_state_dict(old.state_dict())
    check_optimizer(OptimWrapper(new))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c["state"][0].update(exp_avg=torch.zeros(9)), r"exp_avg \(9,\).*\(2, 3\)"),
        (lambda c: c["state"][1].update(exp_avg_sq=None), "exp_avg_sq NoneType"),
        (lambda c: c["state"][1].pop("exp_avg"), "parameter 1 of group 0 has no exp_avg"),
        (lambda c: c["state"][0].update(step=torch.zeros(2)), r"step is a tensor \(2,\)"),
        (lambda c: c["param_groups"][0].update(lr=float("nan")), "lr of group 0 is nan"),
        (lambda c: c["param_groups"][0].update(betas=5), "betas of group 0 is 5"),
        (lambda c: c["param_groups"][0].update(weight_decay="x"), "weight_decay of group 0 is 'x'"),
    ],
)
def test_a_damaged_optimizer_is_refused(change, text):
    optimizer = trained(torch.optim.AdamW)
    content = optimizer.state_dict()
    change(content)
    optimizer.load_state_dict(content)
    with pytest.raises(ValueError, match=f"^optimizer: .*{text}"):
        check_optimizer(SimpleNamespace(optim_wrappers={"one": OptimWrapper(optimizer)}))


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"last_step": "x"}, "last_step is 'x', expected a value like 0"),
        ({"last_step": 1 << 60}, "last_step is 1152921504606846976"),
        ({"base_values": []}, r"base_values is \[\], expected a value like \[0.1\]"),
        ({"base_values": None}, "base_values is None"),
        ({"end_factor": "x"}, "end_factor is 'x'"),
        ({"step": 5}, "step is a method, got 5"),
        ({"param_name": "nobody"}, "param_name is 'nobody', expected a value like 'lr'"),
    ],
)
def test_a_damaged_scheduler_is_refused(state, text):
    optimizer = trained(torch.optim.SGD)
    schedulers = [LinearLR(optimizer, 0.1, end=5), MultiStepLR(optimizer, milestones=[3])]
    before = scheduler_states(schedulers)
    for scheduler in schedulers:  # a state of its own fits
        scheduler.load_state_dict(scheduler.state_dict())
    check_schedulers(schedulers, before)
    schedulers[0].load_state_dict(state)
    with pytest.raises(ValueError, match=rf"^param_schedulers\[0\].{text}"):
        check_schedulers({"one": schedulers}, before)
