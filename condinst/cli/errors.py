"""Ending a command with one line where a user can mend what is wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from condinst.cli.loader_errors import explain_loader_error
from condinst.cli.once import print_error
from condinst.config.problem import ConfigError
from condinst.utils.files import is_disk_error

__all__ = ["explain", "run", "told"]

_INTERRUPTIONS = 5  # workers that may die while a message is made


def run(main: Callable[[], object]) -> None:
    """Run a command of ``tools/``; a user's mistake ends it with one line, where it is found before
    the first iteration.

    The exit code is then 1. What goes wrong later keeps its traceback.
    """
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = told(error)
        if message is None or os.environ.get("CONDINST_DEBUG"):
            raise
        print_error(f"{message}\n(set CONDINST_DEBUG=1 for the traceback)")
        sys.exit(1)


def told(error: Exception) -> str | None:
    """:func:`explain`, which the death of a further data worker does not interrupt."""
    first, latest = error, error
    for _ in range(_INTERRUPTIONS):
        try:
            with _children_die_silently():
                return explain(
                    latest, [frame for frame, _ in traceback.walk_tb(first.__traceback__)]
                )
        except RuntimeError as interruption:  # by torch's handler of SIGCHLD, before it was off
            latest = interruption
    return str(latest)


@contextlib.contextmanager
def _children_die_silently() -> Iterator[None]:
    """Switch off torch's handler of SIGCHLD, which raises wherever the program stands."""
    number = getattr(signal, "SIGCHLD", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, handler)


def explain(error: Exception, frames: Sequence[FrameType] | None = None) -> str | None:
    """What to tell the user; None where the error may be a bug, or came in the middle of a run.

    Args:
        frames: where the command was when it failed; None for those of the error's traceback.
    """
    if is_disk_error(error):  # at any time, and nobody's bug
        return str(error)
    if isinstance(error, ConfigError):  # wherever it was raised, it was meant for the user
        return str(error)
    if frames is None:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if loader := explain_loader_error(error, frames):
        return loader
    # an error that is raised by them finds them imported
    loops = sys.modules.get("mmengine.runner.loops")
    registry = sys.modules.get("mmengine.registry")
    if loops and any(frame.f_code.co_filename == loops.__file__ for frame in frames):
        return None
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    if registry:  # names and arguments come from the config
        code = registry.build_from_cfg.__code__
        built = [frame.f_locals["cfg"] for frame in frames if frame.f_code is code]
        if built:
            return (
                f"the config's type={built[-1].get('type')!r} cannot be built: {_one_line(error)}"
            )
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] != "condinst":
        return f"{error} (condinst doctor looks through what is installed)"
    return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error.args[0] if isinstance(error, KeyError) else error).split())
    return f"{type(error).__name__}: {text}"
