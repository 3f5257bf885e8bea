"""The command ``condinst``, also started by ``python -m condinst``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from condinst.utils.process import prepare_process

_interrupted = False


def start() -> int:
    """Run the command of this process; Ctrl-C ends it with one line and code 130 at any time.

    Returns:
        The exit code.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else ignored, as by nohup
        signal.signal(signal.SIGINT, _interrupt)
    prepare_process()
    try:
        from condinst.cli.main import main  # takes a while, in which a user may press Ctrl-C

        code = main()
    except KeyboardInterrupt:
        code = 130
    if code == 130:  # a second Ctrl-C must not disturb Python's end
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """End in order at the first signal, and at once at the second or while modules are imported.

    Libraries turn an interruption of their import into other errors, or abort; nothing is being
    written then.
    """
    global _interrupted
    again, _interrupted = _interrupted, True
    if not again:
        os.write(2, b"Interrupted\n")
    if again or _is_importing(frame):
        os._exit(130)
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    sys.exit(start())
