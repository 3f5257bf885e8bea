"""Measure the peak memory of a function."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ["peak_memory", "synchronize"]


_CLEAR_REFS = Path("/proc/self/clear_refs")


_STATUS = Path("/proc/self/status")


def peak_memory(function: Callable[[], object], device: str = "cpu") -> int:
    """Return the peak memory of ``function``, in bytes above what was in use before.

    On CUDA this is the memory that PyTorch allocates. On the CPU it is the process's resident
    memory, after freed memory is returned to the system; this needs Linux.

    Raises:
        OSError: the system does not report resident memory.
    """
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if not _CLEAR_REFS.exists():
        raise OSError("the peak of resident memory is read from /proc, which only Linux has")
    ctypes.CDLL(None).malloc_trim(0)
    _CLEAR_REFS.write_text("5")  # forget the peak so far
    before = _resident("VmRSS")
    function()
    return _resident("VmHWM") - before


def _resident(key: str) -> int:
    """Return a size from ``/proc/self/status`` in bytes."""
    line = next(x for x in _STATUS.read_text().splitlines() if x.startswith(key + ":"))
    return int(line.split()[1]) * 1024


def synchronize(device: str) -> None:
    """Wait until the GPU has finished; do nothing on a CPU."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
