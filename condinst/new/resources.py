"""What a training has to run on."""

from __future__ import annotations

import os
from dataclasses import dataclass

_GIB = 2**30
_ASSUMED = 8.0  # where the system does not tell


@dataclass(frozen=True)
class Machine:
    """A device and its whole memory: what is free changes from minute to minute.

    Attributes:
        device: "cpu" or "cuda".
        memory: GiB.
        processors: that this process may use; 0 for a machine that was only described.
        name: for the config's comment.
    """

    device: str
    memory: float
    processors: int
    name: str


def find_machine(device: str = "auto", memory: float | None = None) -> Machine:
    """The machine that the command runs on, or the one that was described.

    Args:
        device: "auto" is the first GPU if there is one.
        memory: GiB of the device, in place of what it has.

    Raises:
        ValueError: "cuda" without a GPU and without ``memory``, or a memory of under 1 GiB.
    """
    from condinst.doctor.machine import num_cpus

    if memory is not None and not 1 <= memory <= 4096:
        raise ValueError(f"--memory {memory:g}: expected 1 to 4096 GiB")
    gpu = _gpu() if device != "cpu" else None
    if device == "cpu" or (device == "auto" and gpu is None):
        size = memory or _physical() or _ASSUMED
        return Machine("cpu", size, num_cpus(), f"{num_cpus()} processors")
    if gpu is None:
        if memory is None:
            raise ValueError(
                "--device cuda: PyTorch finds no GPU; for a GPU of another machine, give its "
                "memory too: --memory 24"
            )
        return Machine("cuda", memory, 0, f"a GPU of {memory:g} GiB")
    name, size = gpu
    size = memory or size
    return Machine("cuda", size, num_cpus(), f"{name}, {size:.0f} GiB")


def _gpu() -> tuple[str, float] | None:
    import torch

    if not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory / _GIB


def _physical() -> float | None:
    """GiB of the machine; None where the standard library cannot ask (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    except (AttributeError, ValueError, OSError):
        return None
