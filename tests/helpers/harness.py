"""Runs commands on damaged files in processes of their own, within limits of memory and time.

A case that ends its process is a failure by its name; the next process goes on behind it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import json
import os
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["Outcome", "command", "run_cases"]

SECONDS = 20  # of CPU time, so that a busy machine fails no case
HANGING = 300  # seconds, for a case that waits without working
MEMORY = 1 << 30  # bytes above what the process has after its imports

Outcome = dict[str, str]  # name of a failed case -> what happened


def command(words: Sequence[str], names: Sequence[str]) -> int:
    """Run ``condinst`` in this process.

    Args:
        words: the command line.
        names: one of these has to be in what a command says that fails.

    Raises:
        AssertionError: it ended otherwise than by 0, or by 1 or 2 and a message.
    """
    from condinst.cli.main import main

    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main(list(words))
    said = out.getvalue() + error.getvalue()
    assert code in (0, 1, 2), f"exit code {code}: {said[-500:]}"
    assert "Traceback" not in said, said[-3000:]
    if code:
        assert any(name in said for name in names), f"names none of {names}: {said[-500:]!r}"
        said.encode()
    return code


def run_cases(cases: Sequence[tuple[str, Callable[[], None]]], folder: Path) -> Outcome:
    """Run every case; each may raise. Modules should be imported before, for the sake of time.

    Args:
        cases: names and functions.
        folder: for the list of what was done.
    """
    failed: Outcome = {}
    done = 0
    log = folder / "log.jsonl"
    while done < len(cases):
        log.write_text("")
        gc.collect()
        child = os.fork()
        if not child:
            _work(cases[done:], log)
        _, status = os.waitpid(child, 0)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            if "error" in line:
                failed[line["name"]] = line["error"]
        done += sum("error" in line or "ok" in line for line in lines)
        if lines and "start" in lines[-1]:
            what = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else status
            failed[lines[-1]["name"]] = f"ended by {what}"
            done += 1
        elif not lines:
            raise RuntimeError(f"the process of the cases did not start: {status}")
    return failed


def _work(cases: Sequence[tuple[str, Callable[[], None]]], log: Path) -> None:
    """Of the child; it never returns."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()  # its report would stand between the dots of pytest
    for signum in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(signum, signal.SIG_DFL)
    with open(log, "a") as file:

        def say(**entry: object) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        for name, case in cases:
            say(name=name, start=True)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(HANGING)
            try:
                case()
            except BaseException:
                say(name=name, error=traceback.format_exc()[-3000:])
            else:
                say(name=name, ok=True)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
    os._exit(0)
