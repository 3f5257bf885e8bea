"""Helpers of the stand-in's operators: computing in float32, refusing what is missing."""

from typing import NoReturn

import torch
from torch import Tensor

__all__ = ["refuse", "widen"]


def refuse(what: str) -> NoReturn:
    """Raise an error that names the missing part and the way out."""
    raise NotImplementedError(
        f"mmcv's {what} is not available: mmcv's compiled operators are not installed, and "
        "condinst's stand-in for them does not have this one. Install a compiled mmcv that fits "
        "your PyTorch, or use a module that does not need it."
    )


def widen(tensor: Tensor) -> Tensor:
    """Return the tensor, in float32 if it is narrower than that or holds integers."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
