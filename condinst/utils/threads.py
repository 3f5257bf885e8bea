"""Let the threads of a computation sleep while they wait for each other.

PyTorch computes on a CPU with the threads of OpenMP. By default they spin at the end of every
operation until the slowest one is done. Beside another busy program, the slowest one is waiting for
a processor that the others occupy by spinning. docs/training.md has the figures.
"""

from __future__ import annotations

import os
import sys

__all__ = ["sleeps_while_waiting", "wait_passively"]

_POLICY = "OMP_WAIT_POLICY"
# what users set to choose for themselves: OpenMP's variable, GNU's and Intel's
_CHOICES = (_POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_passively() -> None:
    """Set ``OMP_WAIT_POLICY=PASSIVE`` for this process and those that it starts.

    It changes nothing where the user has chosen, or once PyTorch is imported: OpenMP reads the
    environment when it is loaded.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in _CHOICES):
        os.environ[_POLICY] = "PASSIVE"


def sleeps_while_waiting() -> bool:
    """Tell whether the environment asks OpenMP's threads to sleep while they wait."""
    if os.environ.get("GOMP_SPINCOUNT") == "0" or os.environ.get("KMP_BLOCKTIME") == "0":
        return True
    return os.environ.get(_POLICY, "").strip().upper() == "PASSIVE"
