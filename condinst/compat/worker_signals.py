"""Keep a scheduler's signals away from data workers; the process that trains handles them.

Upstream bug (torch 2.14): Slurm and a closed terminal signal every process of a job. A worker
dies of it, and its loader then raises "worker is killed by signal" in the middle of the iteration
that was to be saved. Delete when DataLoader lets a caller set its workers' signal mask.

A worker still ends when its parent tells it to, and within 5 seconds of its parent's death. Without
``signal.sigwaitinfo`` (macOS, Windows) nothing is changed.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Any

_taken: set[int] = set()


def apply(upstream: str) -> None:
    """Extend a worker's first steps, and give forked processes the default signal handlers."""
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
    """Set the signals that this process handles; workers started from now on block them."""
    _taken.clear()
    _taken.update(signals)


def _obey_parent(signals: set[int]) -> None:
    """Exit when the parent sends a signal, as torch's handler does."""
    parent = os.getppid()
    while signal.sigwaitinfo(signals).si_pid != parent:
        pass
    os._exit(0)


def _give_back() -> None:
    """Detach a forked process from the handlers, which would report its signals to its parent."""
    if _taken:
        signal.set_wakeup_fd(-1)
        for number in _taken:
            interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if interrupt else signal.SIG_DFL)
