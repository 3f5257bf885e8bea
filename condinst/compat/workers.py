"""Data-loader workers: the fixes reach those that are started afresh, and none hangs.

Upstream faults:

- Unpickling an mmdet dataset in a data-loader worker imports ``mmcv.ops`` before anything imports
  condinst. The startup file does this already where condinst is installed; this covers a checkout
  on ``PYTHONPATH``. Delete together with ``finder.py``.
- Where a worker cannot hand over a batch, because the shared memory is full or because something in
  it cannot be pickled, Python prints a traceback and drops the batch, and torch (2.14) waits for it
  forever. Delete when torch passes such an error on.
"""

import errno
import multiprocessing
import os
import sys
from multiprocessing.queues import Queue

OUT_OF_SHARED_MEMORY = errno.ENOSPC
"""Exit code of a worker that found no room for its batch."""


class Messenger:
    """Travels to child processes; to unpickle it is to import condinst, which applies the fixes."""


def apply() -> None:
    """Put a messenger among what every child inherits and unpickles before its arguments."""
    multiprocessing.current_process()._config["condinst"] = Messenger()  # type: ignore[attr-defined]
    if Queue._on_queue_feeder_error is not _end_worker:  # type: ignore[attr-defined]
        _end_worker.original = Queue._on_queue_feeder_error  # type: ignore[attr-defined]
        Queue._on_queue_feeder_error = staticmethod(_end_worker)  # type: ignore[attr-defined]


def _end_worker(error: BaseException, item: object) -> None:
    """What a queue does with what it cannot send: a data worker ends, others go on as ever."""
    data = sys.modules.get("torch.utils.data")
    if data is None or data.get_worker_info() is None:
        _end_worker.original(error, item)  # type: ignore[attr-defined]
        return
    text = " ".join(str(error).split())
    print(
        f"data worker with pid {os.getpid()}: its batch cannot be handed over: "
        f"{type(error).__name__}: {text}",
        file=sys.stderr,
        flush=True,
    )
    no_room = "shared memory" in text or os.strerror(errno.ENOSPC) in text
    os._exit(OUT_OF_SHARED_MEMORY if no_room else 1)
