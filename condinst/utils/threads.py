"""Let the threads of a computation sleep while they wait, where other programs need processors.

PyTorch computes on a CPU with the threads of OpenMP. By default they spin at the end of every
operation until the slowest one is done, which is fastest on an idle machine. Beside another busy
program, the slowest one is waiting for a processor that the others occupy by spinning.
docs/training.md has the figures.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

__all__ = ["others_compute", "sleeps_while_waiting", "wait_passively"]

_POLICY = "OMP_WAIT_POLICY"
# what users set to choose for themselves: OpenMP's variable, GNU's and Intel's
_CHOICES = (_POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_STAT = Path("/proc/stat")
_BUSY = 0.2  # share of all processors that others use
_SECONDS = 0.05  # five of the kernel's ticks


def wait_passively() -> None:
    """Set ``OMP_WAIT_POLICY=PASSIVE`` for this process and its children if other programs compute.

    It changes nothing where the user has chosen, or once PyTorch is imported: OpenMP reads the
    environment when it is loaded.
    """
    chosen = "torch" in sys.modules or any(name in os.environ for name in _CHOICES)
    if not chosen and others_compute():
        os.environ[_POLICY] = "PASSIVE"


def others_compute() -> bool:
    """Tell whether other programs use a fifth of the processors or more.

    The processors are watched for 0.05 s, and only where the load of the last minute gives reason.
    Linux alone has the counters without a package; elsewhere the answer is no.
    """
    try:
        if os.getloadavg()[0] < 0.5:
            return False
        before = _ticks()
        time.sleep(_SECONDS)
        after = _ticks()
    except (AttributeError, OSError, ValueError):  # another system, or hidden by a container
        return False
    total = sum(after) - sum(before)
    idle = sum(after[3:5]) - sum(before[3:5])  # idle, and waiting for a disk
    return total > 0 and (total - idle) / total >= _BUSY


def sleeps_while_waiting() -> bool:
    """Tell whether the environment asks OpenMP's threads to sleep while they wait."""
    if os.environ.get("GOMP_SPINCOUNT") == "0" or os.environ.get("KMP_BLOCKTIME") == "0":
        return True
    return os.environ.get(_POLICY, "").strip().upper() == "PASSIVE"


def _ticks() -> list[int]:
    """Return the ticks of all processors: user, nice, system, idle, iowait, irq, softirq, steal."""
    with _STAT.open() as file:
        return [int(word) for word in file.readline().split()[1:9]]
