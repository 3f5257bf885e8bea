"""Resume without running the checkpoint's config text, and name a file that does not fit.

Upstream bug (mmengine 0.10.7): ``Runner.resume`` and ``FlexibleRunner.resume`` look for the
number of GPUs in ``meta["config"]``, where mmcv's first runner kept the text of a config, and run
that text as a program. Delete when they do not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from condinst.compat.resumed_state import check_optimizer, check_schedulers, scheduler_states

_MAX_COUNT = 1 << 40  # iterations


def apply(upstream: str) -> None:
    """Replace ``resume`` of both runners."""
    from mmengine.runner import FlexibleRunner, Runner

    for runner in (Runner, FlexibleRunner):
        runner.resume = _fixed(runner.resume)


def _fixed(resume: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(resume)
    def fixed(self: Any, filename: str, *args: Any, **kwargs: Any) -> None:
        before = scheduler_states(getattr(self, "param_schedulers", None))
        try:
            with _configs_stay_text():
                resume(self, filename, *args, **kwargs)
            _check_count("epoch", self.train_loop._epoch)
            _check_count("iter", self.train_loop._iter)
            check_optimizer(getattr(self, "optim_wrapper", None))
            check_schedulers(getattr(self, "param_schedulers", None), before)
            self._condinst_first = self.train_loop._iter  # for condinst.config.blame
        except (MemoryError, OSError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:  # weights only, another optimizer, or a malformed file
            if str(error).startswith(str(filename)):
                raise
            text = str(error.args[0] if isinstance(error, KeyError) else error)
            reason = f"{type(error).__name__}: {' '.join(text.split())[:300]}"
            raise ValueError(
                f"{filename}: no training can resume from it ({reason}); expected a checkpoint of "
                "a training with the same model and optimizer"
            ) from error

    return fixed


@contextmanager
def _configs_stay_text() -> Iterator[None]:
    from mmengine.config import Config

    original = Config.__dict__["fromstring"]
    Config.fromstring = staticmethod(lambda cfg_str, file_format: Config())
    try:
        yield
    finally:
        Config.fromstring = original


def _check_count(name: str, value: Any) -> None:
    if type(value) is not int or not 0 <= value < _MAX_COUNT:
        raise TypeError(f"meta.{name} is {str(value)[:40]}, expected the number done so far")
