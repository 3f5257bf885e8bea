"""Build the runner and the strategy that a config names."""

from __future__ import annotations

import difflib
import importlib.util
from typing import TYPE_CHECKING, Any

import torch
from mmengine.registry import STRATEGIES
from mmengine.runner import Runner

from condinst.compat import fsdp
from condinst.config.nodes import type_name
from condinst.registry import RUNNERS

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["build_runner", "build_test_runner"]

# The package that a strategy needs besides mmengine, and the optimizer wrapper that it requires.
_NEEDS = {
    "DeepSpeedStrategy": ("deepspeed", "DeepSpeedOptimWrapper"),
    "ColossalAIStrategy": ("colossalai", "ColossalAIOptimWrapper"),
}
_SHARDED = ("FSDPStrategy", *_NEEDS)  # no process has the whole model
_FULL = "FULL_STATE_DICT"


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a training: the config's ``runner_type``, by default mmengine's Runner.

    ``FlexibleRunner`` gets the config's ``strategy``. Sharded training (FSDP) saves whole
    checkpoints, as every other training does; on a machine without a GPU it runs on the CPU.

    Raises:
        ValueError: a key names something that does not exist or does not fit; the message names it.
        ImportError: the strategy needs a package that is not installed.
    """
    runner_type = cfg.get("runner_type")
    _check_runner(cfg, runner_type)
    if runner_type is None or runner_type == "Runner":
        return Runner.from_cfg(cfg)
    if cfg.get("strategy") is not None:
        _check_strategy(cfg)
    return RUNNERS.build(cfg)


def build_test_runner(cfg: Config) -> Runner:
    """Build the runner of a test, with mmengine's Runner in place of ``FlexibleRunner``.

    A strategy shards the state of a training. A test needs only the weights, and checkpoints hold
    them whole.

    Raises:
        ValueError: ``runner_type`` names what does not exist, or ``strategy`` does not fit it.
    """
    runner_type = cfg.get("runner_type")
    _check_runner(cfg, runner_type)
    if runner_type in (None, "Runner", "FlexibleRunner", "mmengine.FlexibleRunner"):
        return Runner.from_cfg(cfg)
    return RUNNERS.build(cfg)


def _check_runner(cfg: Config, runner_type: Any) -> None:
    names = _names(RUNNERS)
    if isinstance(runner_type, str):
        if RUNNERS.get(runner_type) is None:
            raise ValueError(
                f"runner_type={runner_type!r}: there is no such runner"
                f"{_nearest(runner_type, names)}"
            )
    elif runner_type is not None and not isinstance(runner_type, type):
        raise ValueError(f"runner_type={runner_type!r}: expected one of {', '.join(names)}")
    if cfg.get("strategy") is not None and runner_type in (None, "Runner"):
        raise ValueError(
            f"strategy={cfg.strategy.get('type') if _is_dict(cfg.strategy) else cfg.strategy!r} "
            f"needs runner_type='FlexibleRunner', got {runner_type!r}: mmengine's Runner has no "
            "strategies"
        )


def _check_strategy(cfg: Config) -> None:
    """Refuse settings that cannot work, and set what this machine and our readers need."""
    strategy = cfg.strategy
    if not _is_dict(strategy) or "type" not in strategy:
        raise ValueError(f"strategy={strategy!r}: expected a dict with a type")
    kind = strategy.type if isinstance(strategy.type, str) else strategy.type.__name__
    name = type_name(kind)
    if isinstance(strategy.type, str) and STRATEGIES.get(strategy.type) is None:
        known = _names(STRATEGIES)
        raise ValueError(
            f"strategy.type={kind!r}: there is no such strategy{_nearest(name, known)}"
        )
    package, wrapper = _NEEDS.get(name, (None, None))
    if package is not None and importlib.util.find_spec(package) is None:
        raise ImportError(
            f"strategy.type={kind!r} needs {package}: pip install {package}", name=package
        )
    alone = cfg.get("launcher", "none") == "none"
    if alone and name not in ("SingleDeviceStrategy", "DeepSpeedStrategy", "ColossalAIStrategy"):
        raise ValueError(
            f"strategy.type={kind!r} needs several processes: bash tools/dist_train.sh, or torchrun"
        )
    if not alone and name == "SingleDeviceStrategy":
        raise ValueError(
            f"strategy.type={kind!r} is for one process, and launcher={cfg.launcher!r} starts "
            "several: DDPStrategy, or no strategy"
        )
    _check_optimizer(cfg, name, wrapper)
    if name in _SHARDED:
        _check_hooks(cfg, name)
    if name == "FSDPStrategy":
        _prepare_fsdp(cfg)


def _check_optimizer(cfg: Config, strategy: str, expected: str | None) -> None:
    got = type_name(cfg.get("optim_wrapper")) or "OptimWrapper"
    if expected is not None and got != expected:
        raise ValueError(f"optim_wrapper.type={got!r}: {strategy} needs {expected!r}")
    if strategy == "FSDPStrategy" and got == "AmpOptimWrapper" and not torch.cuda.is_available():
        raise ValueError(
            f"optim_wrapper.type={got!r} needs a GPU, and PyTorch finds none; on a CPU, "
            "'condinst.CpuAmpOptimWrapper'"
        )


def _check_hooks(cfg: Config, strategy: str) -> None:
    hooks = [*(cfg.get("custom_hooks") or []), *(cfg.get("default_hooks") or {}).values()]
    for hook in hooks:
        name = type_name(hook) if _is_dict(hook) else None
        if name in ("EMAHook", "BoxTeacherHook"):
            raise ValueError(
                f"custom_hooks has {name}, which copies the whole model, but {strategy} shards "
                "it over the processes: remove one of them"
            )


def _prepare_fsdp(cfg: Config) -> None:
    saved = cfg.strategy.setdefault("state_dict_cfg", "full")
    form = saved.get("state_dict_type") if _is_dict(saved) else saved
    if str(form).split(".")[-1] not in ("full", _FULL):
        raise ValueError(
            f"strategy.state_dict_cfg={saved!r}: none of our commands can read checkpoints in "
            "parts; expected 'full', with which the first process writes a whole one"
        )
    kind = cfg.strategy.type
    fsdp.apply(STRATEGIES.get(kind) if isinstance(kind, str) else kind)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _names(registry: Any) -> list[str]:
    names: set[str] = set()
    while registry is not None:
        names.update(registry.module_dict)
        registry = registry.parent
    return sorted(names)


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(names)}"
