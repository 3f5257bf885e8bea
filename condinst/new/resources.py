"""Describe the machine that a training will run on."""

from __future__ import annotations

import os
from dataclasses import dataclass

_GIB = 2**30
_ASSUMED = 8.0  # GiB, if the system does not report its memory


@dataclass(frozen=True)
class Machine:
    """A device and its total memory; the free memory changes too often to plan with.

    Attributes:
        device: "cpu" or "cuda".
        memory: total memory in GiB.
        processors: number of processors for this process; 0 for another machine.
        name: description for a comment in the config.
    """

    device: str
    memory: float
    processors: int
    name: str


def find_machine(device: str = "auto", memory: float | None = None) -> Machine:
    """Return this machine, or the one that the arguments describe.

    Args:
        device: "cpu", "cuda", or "auto" for the first GPU if there is one.
        memory: GiB of the device; None takes what it has.

    Raises:
        ValueError: "cuda" without a GPU and without ``memory``, or a memory out of range.
    """
    from condinst.doctor.machine import num_cpus

    check_memory(memory)
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


def check_memory(memory: float | None) -> None:
    """Refuse a memory out of range with ValueError."""
    if memory is not None and not 1 <= memory <= 4096:
        raise ValueError(f"--memory {memory:g}: expected 1 to 4096 GiB")


def _gpu() -> tuple[str, float] | None:
    import torch

    if not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory / _GIB


def _physical() -> float | None:
    """Return the GiB of the machine; None where the system does not report it (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    except (AttributeError, ValueError, OSError):
        return None
