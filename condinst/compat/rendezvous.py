"""Let the processes that torchrun restarts find each other under new names.

Upstream bug (torch 2.14): torchrun keeps the store in which processes leave their addresses, and
no longer puts the number of the restart before the keys. After a restart, gloo finds the addresses
of dead processes ("Connection refused"). Delete when it does so again.
"""

from __future__ import annotations

import atexit
import os
import threading
import uuid
from datetime import timedelta
from typing import Any

from torch import distributed

_KEY = "condinst/rendezvous"


def store_arguments(timeout: timedelta) -> dict[str, Any]:
    """Return arguments of ``init_process_group`` under torchrun; an empty dict without it.

    The first process makes up a prefix for the store and publishes it to every process that asks.
    Each asks with a random token, so that no answer can be that of an earlier start.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    store, rank, world_size = next(distributed.rendezvous("env://", timeout=timeout))
    name = uuid.uuid4().hex
    if rank == 0:
        own = store.clone() if hasattr(store, "clone") else store
        stop = threading.Event()
        arguments = (own, name, world_size, timeout, stop)
        thread = threading.Thread(target=_publish, args=arguments, daemon=True)
        thread.start()
        atexit.register(_end, stop, thread)
    else:
        store.set(f"{_KEY}/asks/{rank}", name)
        name = store.get(f"{_KEY}/answer/{name}").decode()  # waits
    named = distributed.PrefixStore(f"condinst/{name}", store)
    return dict(store=named, rank=rank, world_size=world_size)


def _end(stop: threading.Event, thread: threading.Thread) -> None:
    """Stop the thread before Python ends: PyTorch aborts a thread that is then in its store."""
    stop.set()
    thread.join(2)


def _publish(
    store: Any, name: str, world_size: int, timeout: timedelta, stop: threading.Event
) -> None:
    answered = set()
    for _ in range(int(timeout.total_seconds() / 0.2)):
        if stop.wait(0.2):
            return
        try:
            for rank in range(1, world_size):
                if not store.check([f"{_KEY}/asks/{rank}"]):
                    continue
                token = store.get(f"{_KEY}/asks/{rank}").decode()
                if token not in answered:
                    store.set(f"{_KEY}/answer/{token}", name)
                    answered.add(token)
        except RuntimeError:  # the store is gone
            return
