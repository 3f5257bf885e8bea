"""Check the states of optimizer and schedulers that a checkpoint has brought, before they are used.

Upstream gap (PyTorch 2, mmengine 0.10.7): ``Optimizer.load_state_dict`` compares the numbers of
parameters and not the shapes of their states, and a scheduler takes over any dict. The first
iteration then ends in a traceback that names no file. Delete when both compare them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["check_optimizer", "check_schedulers", "scheduler_states"]

# states of PyTorch's optimizers that have their parameter's shape
_LIKE_PARAMETER = {
    *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "momentum_buffer", "square_avg"),
    *("grad_avg", "acc_delta", "sum", "prev", "step_size"),
}
_OFTEN_NONE = {"momentum_buffer", "grad_avg"}
_MAX_COUNT = 1 << 40  # steps


def check_optimizer(wrapper: Any) -> None:
    """Check that an optimizer's settings and states are of the kinds and shapes that it needs.

    Raises:
        ValueError: a setting or a state is of another kind or shape.
    """
    for optimizer in _optimizers(wrapper):
        for group, settings in enumerate(optimizer.param_groups):
            for name, default in optimizer.defaults.items():
                if name in settings and not _alike(settings[name], default):
                    text = f"optimizer: {name} of group {group} is {_short(settings[name])}"
                    raise ValueError(f"{text}, expected a value like {_short(default)}")
            states = [optimizer.state.get(p, {}) for p in settings["params"]]
            names = {name for state in states if isinstance(state, dict) for name in state}
            for index, (parameter, state) in enumerate(
                zip(settings["params"], states, strict=True)
            ):
                where = f"optimizer: parameter {index} of group {group}"
                _check_state(where, state, parameter, names)


def _check_state(where: str, state: Any, parameter: torch.Tensor, names: set[str]) -> None:
    if not isinstance(state, dict):
        raise ValueError(f"{where} has a state of type {type(state).__name__}, expected a dict")
    # a parameter that got no gradient yet has none
    lacking = sorted(names - state.keys()) if state else []
    if lacking:
        raise ValueError(f"{where} has no {lacking[0]}, which other parameters have")
    for name, value in state.items():
        if name == "step" and not _is_number(value):
            text = f"{where}: its step is {_short(value)}"
            raise ValueError(f"{text}, expected the number of steps done so far")
        if name not in _LIKE_PARAMETER or (value is None and name in _OFTEN_NONE):
            continue
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        if shape != tuple(parameter.shape):
            raise ValueError(f"{where} has {name} {shape}, expected {tuple(parameter.shape)}")


def scheduler_states(schedulers: Any) -> list[dict[str, Any]]:
    """Return copies of the states of schedulers, before a checkpoint changes them."""
    return [dict(vars(scheduler)) for scheduler in _schedulers(schedulers)]


def check_schedulers(schedulers: Any, before: list[dict[str, Any]]) -> None:
    """Check that schedulers still hold values of the kinds that they were built with.

    Args:
        schedulers: those of a runner, after a checkpoint has changed them.
        before: what :func:`scheduler_states` has returned of the same ones.

    Raises:
        ValueError: a scheduler holds a value of another kind.
    """
    for index, (scheduler, old) in enumerate(zip(_schedulers(schedulers), before, strict=False)):
        where = f"param_schedulers[{index}]"
        for name, value in vars(scheduler).items():
            if name not in old:
                if hasattr(type(scheduler), name):
                    raise ValueError(f"{where}.{name} is a method, got {_short(value)}")
                continue
            fits = value == old[name] if name == "param_name" else _alike(value, old[name])
            if name in ("last_step", "_global_step") and fits:
                fits = -1 <= value < _MAX_COUNT
            if not fits:
                raise ValueError(
                    f"{where}.{name} is {_short(value)}, expected a value like {_short(old[name])}"
                )


def _alike(value: Any, example: Any) -> bool:
    """Tell whether a value has the kind of an example: a number, or as many numbers."""
    if example is None or value is example:
        return True
    if isinstance(example, list | tuple):
        same = isinstance(value, list | tuple) and len(value) == len(example)
        return same and all(map(_alike, value, example))
    if isinstance(example, bool):
        return value is None or isinstance(value, bool | int)
    if _is_number(example):
        return _is_number(value)
    return isinstance(value, type(example))


def _schedulers(schedulers: Any) -> Iterator[Any]:
    """Yield the schedulers of a runner; configs, which are not built yet, are left out."""
    if isinstance(schedulers, dict) and "type" not in schedulers:
        for each in schedulers.values():
            yield from _schedulers(each)
    elif isinstance(schedulers, list | tuple):
        yield from (each for each in schedulers if hasattr(each, "last_step"))


def _optimizers(wrapper: Any) -> Iterator[Any]:
    if hasattr(wrapper, "optim_wrappers"):  # several of them by name
        for each in wrapper.optim_wrappers.values():
            yield from _optimizers(each)
    elif isinstance(optimizer := getattr(wrapper, "optimizer", None), torch.optim.Optimizer):
        yield optimizer


def _is_number(value: Any) -> bool:
    if isinstance(value, torch.Tensor):  # such as a step
        return value.numel() == 1 and not bool(torch.isnan(value).any())
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor) and value.numel() != 1:
        return f"a tensor {tuple(value.shape)}"
    return " ".join(repr(value).split())[:60]
