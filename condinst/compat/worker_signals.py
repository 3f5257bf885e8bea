"""Data workers leave the signals of a scheduler to the process that trains.

Upstream fault (torch 2.14): Slurm and a closed terminal signal every process of a job. A worker
dies of it, and its loader then raises "worker is killed by signal" in the middle of the iteration
that was to be saved. Delete when DataLoader lets its workers' signal mask be set.

A worker still ends when its parent tells it to, and within 5 seconds of its parent's death. Without
``signal.sigwaitinfo`` (macOS, Windows) all is as upstream has it.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Any

_taken: set[int] = set()


def apply(upstream: str) -> None:
    """Extend what a worker does first, and give forked processes their ordinary signals back."""
    module: Any = sys.modules[upstream]
    original = module._set_worker_signal_handlers

    def set_handlers() -> None:
        original()
        if _taken and hasattr(signal, "sigwaitinfo"):
            signal.pthread_sigmask(signal.SIG_BLOCK, _taken)
            threading.Thread(target=_obey_parent, args=(set(_taken),), daemon=True).start()

    module._set_worker_signal_handlers = set_handlers
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_give_back)


def take(signals: Iterable[int]) -> None:
    """Note the signals that this process handles; those of its workers are blocked from now on."""
    _taken.clear()
    _taken.update(signals)


def _obey_parent(signals: set[int]) -> None:
    """End when the parent says so, as it does at its own end; torch's handler does the same."""
    parent = os.getppid()
    while signal.sigwaitinfo(signals).si_pid != parent:
        pass
    os._exit(0)


def _give_back() -> None:
    """Detach a forked process from the handlers: its signals would be reported to its parent."""
    if _taken:
        signal.set_wakeup_fd(-1)
        for number in _taken:
            interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if interrupt else signal.SIG_DFL)
