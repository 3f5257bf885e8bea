"""Settings of a process that runs one command."""

from __future__ import annotations

import atexit
import gc
import os

from condinst.utils.threads import wait_passively

__all__ = ["prepare_process"]


def prepare_process() -> None:
    """Prepare this process, and those that it starts, for one command.

    Threads sleep while they wait if other programs compute. OpenCV prints errors only: its warnings
    on broken images name no file, and ours do. At its end Python would search all objects of
    PyTorch and mmdet for garbage, which takes 2 seconds on a free processor and many on a busy
    one; frozen objects are left out.
    """
    wait_passively()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    atexit.register(gc.freeze)
