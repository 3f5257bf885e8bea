"""End a training with a checkpoint when a scheduler sends a signal.

=======================  ==========================================================================
SIGTERM, SIGHUP,         save a checkpoint after the current iteration and end with exit code
SIGUSR1                  128 + signal (143, 129, 138), as a shell reports a process that a signal
                         has ended
a second one, or one     end at once with the same code; also before the first iteration and after
with nothing to save     the last
SIGINT (Ctrl-C)          end at once with code 130, and name the last checkpoint
=======================  ==========================================================================

A thread reads the signals (``signal.set_wakeup_fd``): a second one works even while the process
hangs in a call that Python cannot interrupt, such as an exchange with a process that is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import distributed

from condinst.compat import worker_signals
from condinst.engine.save_checkpoint import FinishedHook, last_checkpoint, save_now
from condinst.registry import HOOKS

__all__ = ["StopHook", "stop_on_signals"]

_STOPPING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
)
# A launcher forwards a signal that the scheduler has sent to every process already, and a shell
# repeats the one of its terminal: such an echo does not count as a second signal.
_ECHO_SECONDS = 0.5
_ECHO_SECONDS_OF_TORCHRUN = 5.0


class _Signals:
    """The signals received so far, and how to react to them."""

    def __init__(self) -> None:
        self.requested = 0
        self.stopping = False
        """True once an iteration has begun, for whose end a signal can wait."""
        self.saving = False
        """True while the last checkpoint is being written."""
        self.saved: Callable[[], str] = lambda: "the training had not begun"
        """Describes the newest checkpoint."""
        self._first: float | None = None
        self._interrupted = False
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def receive(self, signum: int) -> None:
        """React to a signal; the listening thread calls this."""
        name, first = signal.Signals(signum).name, self._first
        by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
        silence(descriptor for descriptor in self._terminals if not os.isatty(descriptor))
        echo = _ECHO_SECONDS_OF_TORCHRUN if by_torchrun else _ECHO_SECONDS
        if first is None:
            self._first = time.monotonic()
            if signum == signal.SIGINT:  # the main thread gets a KeyboardInterrupt
                return
            if self.stopping:
                self.requested = signum
                print_line(
                    f"{name}: saving a checkpoint after this iteration; a second one ends at once"
                )
                return
        elif time.monotonic() - first < echo:
            return
        elif by_torchrun and self.saving:
            return  # torchrun ends all processes after one has ended; it waits 30 s before it kills
        print_line(f"{name}: ends at once; {self.saved()}")
        os._exit(128 + signum)

    def interrupt(self, signum: int, frame: Any) -> None:
        """Handle SIGINT: a repeated signal does not disturb the exit that the first has begun."""
        if not self._interrupted:
            self._interrupted = True
            raise KeyboardInterrupt

    def was_interrupted(self, error: BaseException | None) -> bool:
        """Tell whether an error stands for Ctrl-C, which mmengine may catch and replace."""
        while self._interrupted and error is not None:
            if isinstance(error, KeyboardInterrupt):
                return True
            error = error.__cause__ or error.__context__
        return False


_signals = _Signals()


def print_line(text: str) -> None:
    """Print a line on standard error, in the first process only."""
    if all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID")):
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def silence(descriptors: Iterable[int]) -> None:
    """Discard output to a closed terminal, where every line would raise another error."""
    for descriptor in descriptors:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def describe(path: str | None) -> str:
    """Describe the newest checkpoint for the user."""
    if path is None:
        return "no checkpoint has been saved"
    return f"the last checkpoint is {path} (--resume continues from it)"


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Handle the signals in this block; outside of the main thread this has no effect.

    A signal that the process ignored at its start (``nohup``) stays ignored.
    """
    global _signals
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _signals = _Signals()
    old = {number: signal.getsignal(number) for number in (*_STOPPING, signal.SIGINT)}
    taken = [number for number, handler in old.items() if handler != signal.SIG_IGN]
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    old_descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(reader, _signals, set(taken)), daemon=True).start()
    for number in taken:
        interrupt = number == signal.SIGINT
        signal.signal(number, _signals.interrupt if interrupt else lambda *_: None)
    worker_signals.take(taken)
    try:
        yield
    except KeyboardInterrupt:
        print_line(f"Interrupted; {_signals.saved()}")
        raise
    except Exception as error:
        if not _signals.was_interrupted(error):
            raise
        print_line(f"Interrupted; {_signals.saved()}")
        raise KeyboardInterrupt from error
    finally:
        worker_signals.take(())
        for number in taken:
            signal.signal(number, old[number])
        signal.set_wakeup_fd(old_descriptor)
        writer.close()  # ends the thread


def _listen(reader: socket.socket, signals: _Signals, taken: set[int]) -> None:
    with reader:
        while received := reader.recv(1):
            if received[0] in taken:
                signals.receive(received[0])


@HOOKS.register_module()
class StopHook(FinishedHook):
    """End the training after a signal, in every process after the same iteration."""

    def __init__(self) -> None:
        super().__init__()
        self._group: Any = None
        self._pending: tuple[Any, torch.Tensor] | None = None
        self._agreed = 0
        self._even = True

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        _signals.saved = lambda: describe(last_checkpoint(runner))
        if distributed.is_available() and distributed.is_initialized():
            # own group: these messages need no GPU, and no process waits for them
            self._group = distributed.new_group(backend="gloo")

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        _signals.stopping = True

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        super().after_train_iter(runner)
        self._agreed = self._agreed or self._agree()
        if self._agreed and self._can_stop(runner, batch_idx):
            self._stop(runner, self._agreed)

    def after_train_epoch(self, runner: Runner) -> None:
        super().after_train_epoch(runner)
        if _by_epoch(runner) and self.finished < runner.max_iters:
            if self._agreed:
                self._stop(runner, self._agreed)
            return
        _signals.stopping = False  # after the last iteration there is nothing to save
        if signum := self._agreed or self._agree():
            self._stop(runner, signum)

    def before_val(self, runner: Runner) -> None:
        """Check that all processes have as many batches: only then can they agree after each."""
        if self._group is not None:
            length = len(runner.val_dataloader)
            ends = torch.tensor([length, -length])
            distributed.all_reduce(ends, distributed.ReduceOp.MAX, group=self._group)
            self._even = int(ends[0]) == -int(ends[1])

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if self._even:
            self._stop_in_validation(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        super().after_val_epoch(runner, metrics)
        self._stop_in_validation(runner)

    def _stop_in_validation(self, runner: Runner) -> None:
        self._agreed = self._agreed or self._agree()
        if self._agreed:
            self._stop(runner, self._agreed)

    def _agree(self) -> int:
        """Return the signal that some process has received; all get it in the same iteration.

        The exchange of an iteration is read one iteration later, so that no process waits for it.
        """
        if self._group is None:
            return _signals.requested
        signum = 0
        if self._pending is not None:
            self._pending[0].wait()
            signum = int(self._pending[1])
        flag = torch.tensor(_signals.requested)
        work = distributed.all_reduce(
            flag, distributed.ReduceOp.MAX, group=self._group, async_op=True
        )
        self._pending = (work, flag)
        return signum

    def _can_stop(self, runner: Runner, batch_idx: int) -> bool:
        """Tell whether a checkpoint can be written after this iteration.

        It cannot while gradients are accumulated, which no checkpoint holds, nor at the end of an
        epoch that the loop has not counted yet.
        """
        should_update = getattr(runner.optim_wrapper, "should_update", None)
        if should_update is not None and not should_update():
            return False
        return not (_by_epoch(runner) and self.end_of_epoch(runner.train_dataloader, batch_idx))

    def _stop(self, runner: Runner, signum: int) -> None:
        """Save, and exit after the first process has saved: its end ends the others."""
        name = signal.Signals(signum).name
        _signals.saving = True
        path = save_now(runner, f"stopped by {name}", together=True)
        if self._group is not None:
            distributed.barrier(group=self._group)
        path = path or last_checkpoint(runner)
        runner.logger.warning(
            f"Stopped by {name} after {self.finished} iterations; {describe(path)}"
        )
        sys.exit(128 + signum)


def _by_epoch(runner: Runner) -> bool:
    return isinstance(runner.train_loop, EpochBasedTrainLoop)
