"""The processes that torchrun starts again meet by names that are new.

Upstream fault (torch 2.14): torchrun keeps the store in which processes leave their addresses, and
no longer puts the number of the start before the names. After a restart, gloo finds the addresses
of processes that are dead ("Connection refused"). Delete when it does so again.
"""

from __future__ import annotations

import atexit
import os
import threading
import uuid
from datetime import timedelta
from typing import Any

from torch import distributed

_KEY = "condinst/meeting"


def meet(timeout: timedelta) -> dict[str, Any]:
    """Arguments of ``init_process_group`` for a start by torchrun; none for another one.

    The first process thinks of a name and tells it to everyone who asks. Each asks by a word of its
    own, so that no answer is that of an earlier start.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    store, rank, world_size = next(distributed.rendezvous("env://", timeout=timeout))
    name = uuid.uuid4().hex
    if rank == 0:
        own = store.clone() if hasattr(store, "clone") else store
        stop = threading.Event()
        atexit.register(stop.set)
        threading.Thread(
            target=_tell, args=(own, name, world_size, timeout, stop), daemon=True
        ).start()
    else:
        store.set(f"{_KEY}/asks/{rank}", name)
        name = store.get(f"{_KEY}/answer/{name}").decode()  # waits
    named = distributed.PrefixStore(f"condinst/{name}", store)
    return dict(store=named, rank=rank, world_size=world_size)


def _tell(
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
                word = store.get(f"{_KEY}/asks/{rank}").decode()
                if word not in answered:
                    store.set(f"{_KEY}/answer/{word}", name)
                    answered.add(word)
        except RuntimeError:  # the store is gone
            return
