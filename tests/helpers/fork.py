"""Runs a function in a fork of this process, which may be killed: PyTorch is imported once."""

from __future__ import annotations

import multiprocessing.process
import multiprocessing.util
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


class Child:
    """A forked process.

    Args:
        function: what it does; its exit code is 0, that of SystemExit, or 1 with a traceback.
        output: file for what it prints.
    """

    def __init__(self, function: Callable[[], object], output: Path) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.output = output
        output.unlink(missing_ok=True)
        self.pid = os.fork()
        if self.pid == 0:
            self._run(function)

    def _run(self, function: Callable[[], object]) -> None:
        code = 1
        # data workers that a test before this one has left are its parent's, not its own to end
        multiprocessing.process._children.clear()
        try:
            descriptor = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            # what pytest has put in their place would be read in the parent
            sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
            # a job in the background is started with Ctrl-C ignored
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
            function()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                multiprocessing.util._exit_function()  # Python's own end waits for its workers
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)  # else it would go on as a second pytest

    def kill(self, signum: int = signal.SIGKILL) -> None:
        os.kill(self.pid, signum)

    def wait(self, seconds: float = 120) -> int:
        """Its exit code, negative for a signal; a process that hangs fails the test."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.kill()
        os.waitpid(self.pid, 0)
        raise AssertionError(f"hangs: {self.text()[-3000:]}")

    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Until it has printed this."""
        end = time.monotonic() + seconds
        while text not in self.text():
            assert time.monotonic() < end, f"never says {text!r}: {self.text()[-3000:]}"
            time.sleep(0.005)
