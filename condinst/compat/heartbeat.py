"""Let the processes of a run notice which of them is lost.

Upstream bugs (torch 2.14):

- If the link between two hosts breaks, gloo waits a quarter of an hour, until TCP gives up. nccl
  ends the process by SIGABRT. Neither says which process is gone.
- One timeout serves two purposes: to notice a lost process, and to wait for a busy one, such as the
  first process in an evaluation for which all others wait.

Each process therefore increases a number in the store of the process group, and reads the numbers
of the others. Delete when torch names the process that is lost.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from torch import distributed

__all__ = ["EXCHANGE_SECONDS", "LIMIT", "Heartbeats", "current", "start"]

LIMIT = timedelta(minutes=5)
"""The seconds of silence after which a process counts as lost, if the config does not say.

This is long enough for a machine that swaps, a network that reconnects, and C++ that holds Python's
lock during an evaluation.
"""

EXCHANGE_SECONDS = 3600
"""The time that processes wait for one that is alive but busy."""

_KEY = "condinst/heartbeat"
_current: Heartbeats | None = None


def _end(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"error: {text}", file=sys.stderr, flush=True)
    os._exit(1)


handler: Callable[[str], None] = _end
"""Called with a message when a process is lost; by default, prints it and exits with code 1."""


def current() -> Heartbeats | None:
    """Return the heartbeats of this process, or None before its process group has started."""
    return _current


def start(limit: timedelta) -> None:
    """Start the heartbeats, right after the process group; exchanges then wait for busy ones."""
    global _current
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return
    wait = max(limit, timedelta(seconds=EXCHANGE_SECONDS))
    if hasattr(distributed, "set_timeout"):
        distributed.set_timeout(wait, distributed.group.WORLD)
    else:
        distributed.distributed_c10d._set_pg_timeout(wait, distributed.group.WORLD)
    store = distributed.distributed_c10d._get_default_store()
    if hasattr(store, "clone"):
        store = store.clone()  # own connection: calls on a shared one wait for each other
    rank, world_size = distributed.get_rank(), distributed.get_world_size()
    _current = Heartbeats(store, rank, world_size, limit.total_seconds())
    _current.start()
    atexit.register(_current.leave)


class Heartbeats:
    """Tell the other processes that this one is alive, and watch for their signs of life.

    There are two threads: one talks to the store, and may wait forever if the link is broken; the
    other watches the time since the last answer.

    Args:
        store: of torch.distributed; the threads are the only ones to use this connection.
        limit: seconds of silence after which a process is lost.
        on_lost: called with a message, in a thread; :data:`handler` when None.
    """

    def __init__(
        self,
        store: Any,
        rank: int,
        world_size: int,
        limit: float,
        on_lost: Callable[[str], None] | None = None,
    ) -> None:
        self.rank = rank
        self.limit = limit
        self.interval = min(max(1.0, world_size / 50), limit / 4)
        self.on_lost = on_lost
        self.lost: list[int] = []
        """The ranks that were reported to ``on_lost``."""
        self._store = store
        self._others = [other for other in range(world_size) if other != rank]
        self._me: dict[str, Any] = {"beat": 0, "host": socket.gethostname(), "pid": os.getpid()}
        self._seen: dict[int, dict[str, Any]] = {}
        self._changed = dict.fromkeys(self._others, time.monotonic())
        self._answered = time.monotonic()
        self._wake = threading.Event()
        self._left = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True, name="heartbeat")

    def start(self) -> None:
        """Start both threads."""
        self._beating.start()
        threading.Thread(target=self._watch, daemon=True, name="heartbeat-watch").start()

    def leave(self, lost: Iterable[int] = ()) -> None:
        """Tell the others that this process ends, and because of which lost ranks; once only."""
        if not self._left.is_set():
            self._me |= {"left": True, "lost": sorted(lost)}
            self._left.set()
            self._wake.set()
            self._beating.join(2)  # PyTorch aborts a thread in its store while Python ends

    def find_lost(self, seconds: float | None = None) -> tuple[list[int], str]:
        """Find the ranks that are silent from now on, after an exchange has failed.

        Args:
            seconds: how long to watch; a few beats when None.

        Returns:
            The ranks, empty if all are alive, and a description for the user.
        """
        begun = time.monotonic()
        end = begun + (4 * self.interval + 1 if seconds is None else seconds)
        proof = begun + 1.5 * self.interval  # an earlier reading may be older than the failure
        silent: list[int] = []
        while time.monotonic() < end:
            named = self._named_lost()
            if named:
                return named, self._describe(named, "its connection broke")
            silent = [other for other in self._others if self._changed[other] < proof]
            if not silent:
                break
            time.sleep(self.interval / 4)
        if silent and self._answered < proof:
            return [0] if self.rank else silent, self._unreachable()
        gone = [other for other in silent if not self._has_left(other)]
        if gone:
            return gone, self._describe(gone, "its connection broke")
        return silent, self._describe(silent, "it has ended before the others")

    def should_report(self, lost: Iterable[int]) -> bool:
        """Tell whether this process is the one on its machine that prints the message."""
        lost = set(lost)
        here = [
            other
            for other, seen in self._seen.items()
            if seen["host"] == self._me["host"] and other not in lost
        ]
        return self.rank == min([self.rank, *here])

    def wait_for_first(self, seconds: float) -> None:
        """Wait until the first process has ended: a launcher ends all when one has."""
        end = time.monotonic() + seconds
        while self.rank and not self._has_left(0) and time.monotonic() < end:
            time.sleep(self.interval / 4)

    def _has_left(self, other: int) -> bool:
        return bool(self._seen.get(other, {}).get("left"))

    def _named_lost(self) -> list[int]:
        """Return the lost ranks that another process has named before it ended."""
        return next((seen["lost"] for seen in self._seen.values() if seen.get("lost")), [])

    def _describe(self, ranks: list[int], how: str) -> str:
        names = []
        for rank in ranks:
            seen = self._seen.get(rank)
            where = f" (process {seen['pid']} on {seen['host']})" if seen else ""
            names.append(f"rank {rank}{where}")
        return f"lost {', '.join(names)}: {how}"

    def _unreachable(self) -> str:
        address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        return self._describe([0], f"no answer from {address}, by which the processes meet")

    def _beat(self) -> None:
        known: set[int] = set()
        while True:
            leaving = self._left.is_set()
            self._me["beat"] += 1
            try:
                self._store.set(f"{_KEY}/{self.rank}", json.dumps(self._me))
                if leaving:
                    break
                unknown = [other for other in self._others if other not in known]
                known.update(o for o in unknown if self._store.check([f"{_KEY}/{o}"]))
                self._read(sorted(known))
                self._answered = time.monotonic()
            except (RuntimeError, ValueError):  # the store is gone: the other thread looks at that
                if leaving:
                    break
            self._wake.wait(self.interval)

    def _read(self, ranks: list[int]) -> None:
        if not ranks:
            return
        values = self._store.multi_get([f"{_KEY}/{rank}" for rank in ranks])
        now = time.monotonic()
        for rank, value in zip(ranks, values, strict=True):
            seen = json.loads(value)
            if seen != self._seen.get(rank):
                self._seen[rank] = seen
                self._changed[rank] = now

    def _watch(self) -> None:
        while not self._left.wait(min(1.0, self.limit / 10)):
            now = time.monotonic()
            if named := self._named_lost():
                self._report(named, self._describe(named, "another process has said so"))
                return
            if self._has_left(0):
                continue  # the store may end with the first process
            silence = f"no sign of life for {self.limit:.0f} s"
            # without the store nothing is heard of the others, so its silence is checked first
            if now - self._answered > self.limit - 2 * self.interval:
                if now - self._answered <= self.limit:
                    continue
                text = self._unreachable() if self.rank else "lost the store of the processes"
                self._report([0], f"{text} for {self.limit:.0f} s")
                return
            lost = [
                other
                for other in self._others
                if now - self._changed[other] > self.limit and not self._has_left(other)
            ]
            if lost:
                self._report(lost, self._describe(lost, silence))
                return

    def _report(self, lost: list[int], text: str) -> None:
        self.lost = lost
        (self.on_lost or handler)(text)
