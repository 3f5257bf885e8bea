"""Start distributed runs on machines without CUDA, with gloo in place of nccl.

Upstream bugs (mmengine 0.10.7):

- Every launcher calls ``torch.cuda.set_device``, and slurm's divides by the number of GPUs.
- ``Runner`` hands ``device_ids`` to DistributedDataParallel, which refuses them for a CPU model.
- The mpi launcher never sets ``LOCAL_RANK``, which ``Runner`` reads.
- ``timeout`` limits the wait both for a lost process and for a busy one; ``heartbeat`` restricts it
  to the lost one.
- No process group is ever destroyed. Under torch 2.14, gloo's threads then abort the process at its
  end ("terminate called without an active exception"), and the launcher calls the run failed.

With CUDA everything runs as upstream wrote it. Delete when mmengine starts
``--launcher pytorch`` on a CPU by itself.
"""

import atexit
import functools
import gc
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from condinst.compat import heartbeat, rendezvous

_WRAPPERS: weakref.WeakSet = weakref.WeakSet()


def fix_launchers(upstream: str) -> None:
    """Replace the three launchers' start functions."""
    utils = sys.modules[upstream]
    for name in ("_init_dist_pytorch", "_init_dist_slurm", "_init_dist_mpi"):
        setattr(utils, name, _also_on_cpu(getattr(utils, name), utils))


def fix_wrapper(upstream: str) -> None:
    """Replace the wrapper's constructor."""
    cls = sys.modules[upstream].MMDistributedDataParallel  # type: ignore[attr-defined]
    cls.__init__ = _without_device_ids(cls.__init__)


def _also_on_cpu(start: Callable[..., None], utils: Any) -> Callable[..., None]:
    @functools.wraps(start)
    def wrapper(backend: str, **kwargs: Any) -> None:
        if "OMPI_COMM_WORLD_LOCAL_RANK" in os.environ and "mpi" in start.__name__:
            os.environ["LOCAL_RANK"] = os.environ["OMPI_COMM_WORLD_LOCAL_RANK"]
        from mmengine.logging import print_log

        limit = kwargs.get("timeout") or heartbeat.LIMIT
        kwargs["timeout"] = max(limit, heartbeat.LIMIT)  # of the rendezvous: machines start slowly
        if "pytorch" in start.__name__:
            kwargs |= rendezvous.store_arguments(kwargs["timeout"])
        if _has_accelerator(utils):
            start(backend, **kwargs)
            return heartbeat.start(limit)
        if backend == "nccl":
            print_log("No CUDA device: running on the CPU, with gloo in place of nccl", "current")
            backend = "gloo"
        os.environ.setdefault("SLURM_LOCALID", "0")  # else taken modulo the number of GPUs
        with patch.object(torch.cuda, "set_device"):
            start(backend, **kwargs)
        atexit.register(_leave)
        return heartbeat.start(limit)

    return wrapper


def _leave() -> None:
    """Destroy the process group, and first the references that keep its threads alive."""
    for wrapper in _WRAPPERS:
        wrapper.reducer = wrapper.logger = wrapper.process_group = None
    gc.collect()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _has_accelerator(utils: Any) -> bool:
    others = (utils.is_mlu_available, utils.is_npu_available, utils.is_musa_available)
    return torch.cuda.is_available() or any(available() for available in others)


def _without_device_ids(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def wrapper(self: nn.Module, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        if all(parameter.device.type == "cpu" for parameter in module.parameters()):
            kwargs["device_ids"] = None
        init(self, module, *args, **kwargs)
        _WRAPPERS.add(self)

    return wrapper
