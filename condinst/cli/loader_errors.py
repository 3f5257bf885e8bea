"""Explain why loading data has failed: a broken image, or a data worker that has died."""

from __future__ import annotations

import contextlib
import gc
import re
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from condinst.compat.workers import OUT_OF_SHARED_MEMORY

_DIED = re.compile(
    r"DataLoader worker \(pids?(?:\(s\))? (?P<pids>[\d, ]+)\) (?:"
    r"is killed by signal: (?P<signal>[^.]+)|exited unexpectedly(?: with exit code (?P<code>\d+))?)"
)
_LOOPS = {"_train_loop": "train", "_val_loop": "val", "_test_loop": "test"}


def explain_loader_error(error: BaseException, frames: Iterable[FrameType]) -> str | None:
    """Return one line if loading data failed in a way that the user can correct, else None.

    Args:
        error: the error that has ended the command.
        frames: the frames of its traceback.
    """
    frames = list(frames)
    for link in _chain(error):
        if isinstance(link, RuntimeError) and (died := _DIED.search(str(link))):
            iterator, worker = _find_worker([int(pid) for pid in died["pids"].split(",")])
            pid = int(died["pids"].split(",")[0])
            if code := _exit_code(worker) or int(died["code"] or 0) or -_number(died["signal"]):
                return _explain_death(pid, code, iterator, frames)
            name = _loader_name(iterator, frames)
            return f"{name}: data worker with pid {pid} ended; its output above may say why"
    # a batch was being received when its worker died
    for frame in frames if isinstance(error, OSError | EOFError) else ():
        if frame.f_code.co_name == "_try_get_data":
            iterator = frame.f_locals["self"]
            for worker in iterator._workers:
                with contextlib.suppress(
                    RuntimeError
                ):  # torch's handler may report the death here too
                    worker.join(1)
                if code := _exit_code(worker):
                    return _explain_death(worker.pid, code, iterator, frames)
    return _explain_sample(error, frames)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain_sample(error: BaseException, frames: list[FrameType]) -> str | None:
    if not isinstance(error, ValueError | OSError):
        return None
    text = str(error)
    if re.match(r"Caught \w+ in DataLoader worker process \d+\.", text):
        if ", in prepare_data\n" not in text:
            return None
        # the traceback's own lines are indented, or start one of its parts
        text = re.split(r"^[\w.]+: ", text, flags=re.MULTILINE)[-1]
        return " ".join(text.split())
    if any(frame.f_code.co_name == "prepare_data" for frame in frames):
        return " ".join(text.split())
    return None


def _exit_code(worker: Any) -> int:
    """Return a worker's exit code, 0 if it has none yet; a signal is negative."""
    return (worker.exitcode if worker is not None else None) or 0


def _explain_death(pid: int, code: int, iterator: Any, frames: list[FrameType]) -> str:
    name = _loader_name(iterator, frames)
    number = _signal("SIGBUS") if code == OUT_OF_SHARED_MEMORY else max(-code, 0)
    workers = "" if iterator is None else f" (now {iterator._num_workers})"
    fewer = f"lower {name}.num_workers{workers} or {name}.batch_size"
    one = f"{name}.num_workers=0 loads in the main process and shows where it fails"
    how, cause, remedy = {
        _signal("SIGKILL"): (
            "was killed by SIGKILL",
            "probably by the kernel, because the memory ran out (see dmesg), else by a user or a "
            "scheduler",
            fewer,
        ),
        _signal("SIGBUS"): (
            f"ended with exit code {code}"
            if code == OUT_OF_SHARED_MEMORY
            else "was killed by SIGBUS",
            f"probably because the shared memory ran out{_shared_memory()}",
            f"enlarge it (docker run --shm-size=8g), or {fewer}",
        ),
        _signal("SIGTERM"): ("was ended by SIGTERM", "from outside: a user or a scheduler", one),
    }.get(
        number,
        (f"was killed by {_signal_name(number)}", "a crash in compiled code", one)
        if number
        else (f"ended with exit code {code}", "its output above may say why", one),
    )
    return f"{name}: data worker with pid {pid} {how}, {cause}; {remedy}"


def _find_worker(pids: list[int]) -> tuple[Any, Any]:
    """Find the loader's iterator whose worker has died, and that worker; None where it is gone."""
    module = sys.modules.get("torch.utils.data.dataloader")
    kind = getattr(module, "_MultiProcessingDataLoaderIter", None)
    for item in gc.get_objects() if kind else ():
        if type(item) is kind:
            for worker in getattr(item, "_workers", ()):
                if worker.pid in pids:
                    return item, worker
    return None, None


def _loader_name(iterator: Any, frames: list[FrameType]) -> str:
    """Return the config's key of the loader: its worker may die while another loader is read."""
    owners = [frame.f_locals.get("self") for frame in frames]
    for runner in {
        id(x): x for x in (getattr(owner, "runner", owner) for owner in owners)
    }.values():
        for attribute, split in _LOOPS.items():
            loader = getattr(getattr(runner, attribute, None), "dataloader", None)
            if iterator is not None and getattr(loader, "dataset", None) is iterator._dataset:
                return f"{split}_dataloader"
    return "dataloader"


def _signal(name: str) -> int:
    return int(getattr(signal, name, 0))


def _number(words: str | None) -> int:
    """Return the number of a signal by the system's name of it ("Killed"), 0 if there is none."""
    return next((int(s) for s in signal.Signals if words and signal.strsignal(s) == words), 0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _shared_memory() -> str:
    try:
        usage = shutil.disk_usage("/dev/shm")
    except OSError:
        return ""
    return f" (/dev/shm: {usage.free / 2**20:.0f} MiB free of {usage.total / 2**20:.0f})"
