"""Two processes of a training on this machine, as if they were on two, and ways to part them.

They are forks of the test's process, so that PyTorch is imported once. Where the machine permits,
each is in a network namespace of its own, joined by a cable that can be pulled; only their own
traffic goes through it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import toy_training
from commands import free_port
from fork import Child
from mmengine.config import Config
from mmengine.runner import Runner

from condinst.cli.train_folder import only_training
from condinst.engine.lost_peers import end_when_peers_are_lost
from condinst.engine.signals import stop_on_signals

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET


class Cable:
    """Two network namespaces and the cable between them."""

    def __init__(self, name: str) -> None:
        self.names = [f"{name}{side}" for side in "ab"]
        self.cards = [f"{name[-8:]}{side}0" for side in "ab"]
        self.addresses = ["10.231.77.1", "10.231.77.2"]

    def plug(self) -> None:
        for name in self.names:
            _ip("netns", "add", name)
        _ip("link", "add", self.cards[0], "type", "veth", "peer", "name", self.cards[1])
        for name, card, address in zip(self.names, self.cards, self.addresses, strict=True):
            _ip("link", "set", card, "netns", name)
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", card)
            _ip("-n", name, "link", "set", card, "up")
            _ip("-n", name, "link", "set", "lo", "up")

    def cut(self) -> None:
        _ip("-n", self.names[1], "link", "set", self.cards[1], "down")

    def enter(self, side: int) -> None:
        """Move this process to one end of the cable."""
        with open(f"/var/run/netns/{self.names[side]}") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "setns")

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, check=True)


@contextlib.contextmanager
def cable() -> Iterator[Cable | None]:
    """A cable, or None where the machine does not permit one."""
    made = Cable(f"ci{os.getpid()}")
    try:
        made.plug()
    except (OSError, subprocess.CalledProcessError):
        made.remove()
        yield None
        return
    try:
        yield made
    finally:
        made.remove()


def train(work_dir: Path, timeout: float, **settings) -> None:
    """As ``condinst train`` does it, with the model of toy_training."""
    env_cfg = dict(dist_cfg=dict(backend="gloo", timeout=timeout))
    folder = Config(dict(work_dir=str(work_dir), launcher="pytorch", env_cfg=env_cfg))
    toy_training.Runner = functools.partial(Runner, launcher="pytorch", env_cfg=env_cfg)
    with stop_on_signals(), end_when_peers_are_lost(folder) as save_of, only_training(folder):
        runner = toy_training.build(work_dir, **settings)
        save_of(runner)
        runner.train()


def start_two(
    function: Callable[[], object], folder: Path, between: Cable | None = None
) -> list[Child]:
    """Start a function in two processes; what each prints is in ``rank0.txt`` and ``rank1.txt``."""
    port = free_port()

    def start(rank: int) -> None:
        if between is not None:
            between.enter(rank)
            os.environ["GLOO_SOCKET_IFNAME"] = between.cards[rank]
        address = between.addresses[0] if between is not None else "127.0.0.1"
        os.environ.update(MASTER_ADDR=address, MASTER_PORT=str(port), WORLD_SIZE="2")
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE="2")
        function()

    return [Child(functools.partial(start, rank), folder / f"rank{rank}.txt") for rank in (0, 1)]


def end(children: list[Child]) -> None:
    """Kill what is still there."""
    for child in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child.pid, 9)
            os.waitpid(child.pid, 0)
