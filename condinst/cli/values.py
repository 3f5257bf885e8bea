"""Check devices and numbers that options name, before PyTorch is imported."""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys

from condinst.inference.options import device_hint

__all__ = ["check_amp", "check_device", "check_least", "check_range"]

_DEVICE = re.compile(r"(?:cpu|cuda|xpu|mps|npu|mlu|musa|hpu|meta)(?::\d+)?")


def check_device(word: str | None, option: str = "--device") -> None:
    """Check a device's name and its driver; whether the machine has the device needs PyTorch.

    Raises:
        ValueError: no device has such a name, or there is no driver for it.
    """
    if word is None or _DEVICE.fullmatch(word):
        _check_driver(word, option)
        return
    raise ValueError(f"{option} {word}: expected cpu, cuda or cuda:N{device_hint(word)}")


def check_amp(dtype: str | None, option: str = "--amp") -> None:
    """Check that there may be a GPU for a training in float16, whose loss scaler needs one.

    Raises:
        ValueError: no GPU can be used here; where only PyTorch knows, nothing is raised.
    """
    if dtype == "float16" and (reason := _why_no_gpu()):
        raise ValueError(
            f"{option} {dtype} needs a GPU, but {reason}; on a CPU, use {option} bfloat16"
        )


def _check_driver(word: str | None, option: str) -> None:
    """Refuse a GPU that cannot be used here; PyTorch finds the rest."""
    kind = (word or "").partition(":")[0]
    if kind == "mps" and sys.platform != "darwin":
        raise ValueError(f"{option} {word}: exists on macOS only; {option} cpu runs anywhere")
    if kind == "cuda" and (reason := _why_no_gpu()):
        raise ValueError(f"{option} {word}: {reason}; {option} cpu runs anywhere")


def _why_no_gpu() -> str | None:
    """Return why no device of the name cuda can be used here; None where PyTorch has to say."""
    if sys.platform == "darwin":
        return "macOS has no CUDA"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "the environment variable CUDA_VISIBLE_DEVICES hides all GPUs"
    if not sys.platform.startswith("linux") or os.path.exists("/dev/kfd"):
        return None  # AMD's GPUs have the name cuda, too
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no driver of an NVIDIA GPU is installed here"
    return None


def check_range(option: str, value: float | None, low: float = 0.0, high: float = 1.0) -> None:
    """Check that a number lies in a range, both ends included.

    Raises:
        ValueError: the number lies outside the range.
    """
    if value is None or low <= value <= high:
        return
    percent = f"; did you mean {value / 100:g}?" if high == 1 and 1 < value <= 100 else ""
    given, least, most = map(_short, (value, low, high))
    raise ValueError(f"{option} {given}: expected a number from {least} to {most}{percent}")


def check_least(option: str, value: float | None, least: float = 1) -> None:
    """Check that a number is not too small.

    Raises:
        ValueError: the number is too small, or not a number.
    """
    if value is not None and not (math.isfinite(value) and value >= least):
        raise ValueError(f"{option} {_short(value)}: expected {_short(least)} or more")


def _short(value: float) -> str:
    """Return a number in words that can be typed again: 4294967295, not 4.29497e+09."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return str(int(value)) if whole else f"{value:g}"
