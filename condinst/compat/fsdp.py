"""Let FSDP train models that have a scalar parameter, also on the CPU.

Upstream bugs:

- torch's FSDP (2.14) refuses parameters without a dimension; mmcv's ``Scale`` has one.
- mmengine's strategy (0.10.7) takes ``LOCAL_RANK`` for the number of a GPU.
- It loads the optimizer's state with arguments in the order of torch 2.0, so that resuming fails.
- torch's FSDP marks the tensors of a state dict, so that a file of them needs more than a reader of
  plain tensors allows.

Delete when mmengine uses ``fully_shard``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def apply(strategy: Any) -> None:
    """Replace the methods by which the class wraps the model and resumes, unless that is done.

    Args:
        strategy: mmengine's ``FSDPStrategy``, the class.
    """
    wrap = strategy._wrap_model
    if hasattr(wrap, "__wrapped__"):
        return

    @functools.wraps(wrap)
    def wrapper(self: Any, model: nn.Module) -> nn.Module:
        give_scalars_a_dimension(model)
        if not torch.cuda.is_available():
            self.model_wrapper = {
                "type": "MMFullyShardedDataParallel",
                "device_id": "cpu",
                **(self.model_wrapper or {}),
            }
        return wrap(self, model)

    strategy._wrap_model = wrapper
    strategy.load_optim_state_dict = _load_optimizer
    strategy.model_state_dict = _unmarked(strategy.model_state_dict)


def _unmarked(state_dict: Callable[[Any], dict]) -> Callable[[Any], dict]:
    @functools.wraps(state_dict)
    def unmarked(self: Any) -> dict:
        state = state_dict(self)
        for name, value in state.items():  # in place: a state dict has metadata of its own
            if type(value) is torch.Tensor:
                state[name] = value.detach()
        return state

    return unmarked


def _load_optimizer(self: Any, state_dict: dict) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    optimizer = self.optim_wrapper.optimizer
    state = FullyShardedDataParallel.optim_state_dict_to_load(
        model=self.model, optim=optimizer, optim_state_dict=state_dict
    )
    self.optim_wrapper.load_state_dict(state)


def give_scalars_a_dimension(model: nn.Module) -> None:
    """Make each scalar parameter a vector of length 1; in state dicts they stay scalars."""
    for module in model.modules():
        names = [name for name, p in module.named_parameters(recurse=False) if p.dim() == 0]
        for name in names:
            parameter = module.get_parameter(name)
            parameter.data = parameter.data.reshape(1)
        if names:
            module._register_state_dict_hook(functools.partial(_save, names))
            module._register_load_state_dict_pre_hook(functools.partial(_load, names))


def _save(names: list[str], module: nn.Module, state: dict, prefix: str, *_: Any) -> None:
    for name in names:
        state[prefix + name] = state[prefix + name].reshape(())


def _load(names: list[str], state: dict, prefix: str, *_: Any) -> None:
    for name in names:
        if prefix + name in state:
            state[prefix + name] = state[prefix + name].reshape(1)
