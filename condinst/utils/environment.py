"""Describe hardware and versions for reports and benchmarks."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import torch

__all__ = ["machine"]


_PACKAGES = ("torch", "torchvision", "mmdet", "mmengine", "numpy", "pycocotools")


def machine(device: str) -> dict[str, Any]:
    """Return the hardware, the versions of the packages and the date.

    Args:
        device: "cuda", with or without an index, to include the GPU's name.
    """
    found: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name()
    return found | {name: importlib.metadata.version(name) for name in _PACKAGES}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
