"""One message where several processes find the same mistake."""

from __future__ import annotations

import os
import sys
import time

_WAIT_SECONDS = 6

# What the launchers leave in the environment of each process.
RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}


def is_first_process() -> bool:
    """Tell whether this process is the one that prints, before distributed training has started."""
    return all(int(os.environ.get(rank, 0)) == 0 for rank in RANKS.values())


def print_error(text: str) -> None:
    """Print an error of this process on standard error.

    The first process prints at once, and its end ends the others, whose launcher sees to it. They
    therefore wait: who is still there then has found a mistake that the first has not.
    """
    if not is_first_process():
        time.sleep(_WAIT_SECONDS)
        rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "another"
        text = f"rank {rank}: {text}"
    print(f"error: {text}", file=sys.stderr, flush=True)
