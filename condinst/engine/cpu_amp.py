"""Mixed-precision training on a CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from condinst.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Autocast to bfloat16 on the CPU, which mmengine's AmpOptimWrapper refuses.

    bfloat16 has the range of float32, so the loss needs no scaling. It is fast on processors with
    bfloat16 multiplication (AVX-512 BF16, AMX), and slow on others.
    """

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield
