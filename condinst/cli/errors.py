"""End a command with one line where the user can correct what is wrong."""

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
from condinst.compat import explain_missing
from condinst.config.problem import ConfigError, came_in_run
from condinst.utils.process import prepare_process
from condinst.utils.words import without_error_numbers
from condinst.utils.written_file import disk_error_text

__all__ = ["explain", "explain_uninterrupted", "run"]

_MAX_INTERRUPTIONS = 5  # data workers that may die while the message is made


def run(main: Callable[[], object]) -> None:
    """Run a command of ``tools/``.

    A user's mistake that is found before the first iteration ends the command with one line and
    exit code 1. What goes wrong later keeps its traceback.
    """
    prepare_process()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = explain_uninterrupted(error)
        if message is None or os.environ.get("CONDINST_DEBUG"):
            raise
        print_error(f"{message}\n(set CONDINST_DEBUG=1 for the traceback)")
        sys.exit(1)


def explain_uninterrupted(error: Exception) -> str | None:
    """Return :func:`explain` of an error, even if another data worker dies meanwhile."""
    first, latest = error, error
    for _ in range(_MAX_INTERRUPTIONS):
        try:
            with _ignore_dead_children():
                return explain(
                    latest, [frame for frame, _ in traceback.walk_tb(first.__traceback__)]
                )
        except RuntimeError as interruption:  # from torch's SIGCHLD handler, before it was off
            latest = interruption
    return str(latest)


@contextlib.contextmanager
def _ignore_dead_children() -> Iterator[None]:
    """Switch off torch's SIGCHLD handler, which raises RuntimeError at any point of the program."""
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
    """Return the message for the user, or None where the traceback says more.

    The traceback is kept for what may be a bug, and for errors in the middle of a run.

    Args:
        frames: where the command was when it failed; None for those of the error's traceback.
    """
    text = _explain(error, frames)
    return None if text is None else without_error_numbers(text)


def _explain(error: Exception, frames: Sequence[FrameType] | None) -> str | None:
    if isinstance(error, OSError) and (text := disk_error_text(error)):  # at any time
        return text
    if isinstance(error, ConfigError):
        return str(error)
    if frames is None:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if loader := explain_loader_error(error, frames):
        return loader
    if came_in_run(error):
        return None
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    # outside of condinst.config.blaming; before mmengine is imported, nothing can have been built
    if "mmengine.registry" in sys.modules:
        from condinst.config.blame import built_node
        from condinst.config.read import one_line

        if node := built_node(frames):
            return f"the config's type={node['type']!r} cannot be built: {one_line(error)}"
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] != "condinst":
        if isinstance(error, ModuleNotFoundError) and (
            missing := explain_missing(error.name or "")
        ):
            return missing
        return f"{error} (condinst doctor checks what is installed)"
    return None
