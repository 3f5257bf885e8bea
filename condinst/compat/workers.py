"""Child processes that are started, not forked, apply the fixes before anything needs them.

Upstream fault: unpickling an mmdet data set in a data-loader worker imports ``mmcv.ops`` before
anything imports condinst. The startup file does this already where condinst is installed; this
covers a checkout on ``PYTHONPATH``. Delete together with ``finder.py``.
"""

import multiprocessing


class Messenger:
    """Travels to child processes; to unpickle it is to import condinst, which applies the fixes."""


def apply() -> None:
    """Put a messenger among what every child inherits and unpickles before its arguments."""
    multiprocessing.current_process()._config["condinst"] = Messenger()  # type: ignore[attr-defined]
