"""Save, report and exit when another process of the run is lost."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import distributed

from condinst.compat import heartbeat
from condinst.engine.save_checkpoint import last_checkpoint, save_now

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["end_when_peers_are_lost"]

_SAVE_SECONDS = 25  # torchrun waits 30 s before it kills
# Words in the messages of the plain RuntimeErrors that torch raises.
_WORDS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "process group")
_ending = threading.Lock()


@contextlib.contextmanager
def end_when_peers_are_lost(cfg: Config) -> Iterator[Callable[[Runner], None]]:
    """End this process with code 1 and one line when another one of its run is lost in this block.

    A process counts as lost if an exchange fails because the connection was closed, or if it gives
    no sign of life for ``env_cfg.dist_cfg.timeout`` seconds, whatever this process does meanwhile.

    Yields:
        A function to call with the runner whose training is to be saved before the end. With gloo,
        the first process, unless it is the lost one, saves the last finished iteration. With nccl
        the weights cannot be read while an exchange hangs, and a strategy shards them over the
        processes.

    Raises:
        ValueError: ``timeout`` is no number of seconds above 0.
        ConnectionError: the processes have not found each other.
    """
    _check_timeout(cfg)
    runners: list[Runner] = []

    def on_lost(text: str) -> None:
        _end(text, None, runners)

    heartbeat.handler, before = on_lost, heartbeat.handler
    try:
        yield runners.append
    except Exception as error:
        beats = heartbeat.current()
        if not _is_of_exchange(error):
            raise
        if beats is None:
            text = " ".join(str(error).split())
            raise ConnectionError(f"the processes have not found each other: {text}") from error
        lost, text = beats.find_lost()
        if not lost:  # all are alive: another kind of error
            raise
        _end(text, lost, runners)
    finally:
        heartbeat.handler = before


def _check_timeout(cfg: Config) -> None:
    timeout = ((cfg.get("env_cfg") or {}).get("dist_cfg") or {}).get("timeout", 1)
    if timeout is None:
        del cfg.env_cfg.dist_cfg["timeout"]
    elif isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(
            f"env_cfg.dist_cfg.timeout={timeout!r}: expected the seconds without a sign of life "
            "after which a process counts as lost"
        )


def _is_of_exchange(error: BaseException | None) -> bool:
    """Tell whether an error came from an exchange between processes."""
    if error is None:
        return False
    kinds = _exchange_errors()
    if isinstance(error, kinds):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS)


def _exchange_errors() -> tuple[type[BaseException], ...]:
    names = ("DistError", "DistBackendError", "DistNetworkError", "DistStoreError")
    return tuple(getattr(distributed, name) for name in names if hasattr(distributed, name))


def _end(text: str, lost: list[int] | None, runners: list[Runner]) -> NoReturn:
    """Save and end the process; a second thread that gets here waits for the end."""
    with _ending:
        beats = heartbeat.current()
        assert beats is not None
        if lost is None:
            lost = beats.lost
        saved = _save(runners[-1], text) if runners else ""
        if beats.should_report(lost):
            _print_error(f"error: {text}{saved}")
        beats.wait_for_first(_SAVE_SECONDS if 0 not in lost else 0)
        beats.leave(lost)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(1)  # the exchange that hangs would keep the process


def _save(runner: Runner, text: str) -> str:
    """Save a checkpoint if possible; return what to append to the message."""
    saved: list[str | None] = []
    # torch.distributed is asked for the backend: a model on the GPU has one that is ahead of Python
    if distributed.get_backend() == "gloo" and isinstance(runner, Runner) and runner.rank == 0:
        _stop_updates(runner)
        thread = threading.Thread(target=_try_to_save, args=(runner, text, saved), daemon=True)
        thread.start()
        thread.join(_SAVE_SECONDS)
    path = saved[0] if saved and saved[0] else last_checkpoint(runner)
    if path is None:
        return "; no checkpoint has been saved"
    return f"; the last checkpoint is {path} (--resume continues from it)"


def _try_to_save(runner: Runner, text: str, saved: list[str | None]) -> None:
    try:
        saved.append(save_now(runner, text))
    except Exception as error:
        MMLogger.get_current_instance().warning(f"no checkpoint could be saved: {error}")


def _stop_updates(runner: Runner) -> None:
    """Keep the thread that trains from changing the weights from now on.

    That thread hangs in the exchange of gradients, before the optimizer's step. If the exchange
    fails meanwhile, it waits in the replaced step.
    """
    if threading.current_thread() is threading.main_thread():
        return

    def wait(*args: Any, **kwargs: Any) -> None:
        time.sleep(2 * _SAVE_SECONDS)

    runner.optim_wrapper.step = wait


def _print_error(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
