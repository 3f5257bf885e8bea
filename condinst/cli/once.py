"""Print an error once if several processes find it."""

from __future__ import annotations

import os
import sys
import time

from condinst.utils.names import printable_lines
from condinst.utils.words import without_error_numbers

_WAIT_SECONDS = 6

# The environment variable in which each launcher stores a process's rank.
RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}


def is_first_process() -> bool:
    """Tell whether this process is the one that prints, before distributed training has started."""
    return all(int(os.environ.get(rank, 0)) == 0 for rank in RANKS.values())


def print_error(text: str) -> None:
    """Print an error of this process on standard error.

    The first process prints at once and exits, and the launcher then ends the others. They wait
    before they print: a process that is still alive has found an error that the first has not.
    """
    if not is_first_process():
        time.sleep(_WAIT_SECONDS)
        rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "another"
        text = f"rank {rank}: {text}"
    text = printable_lines(without_error_numbers(text))
    print(f"error: {text}", file=sys.stderr, flush=True)
