"""Apply the fixes in spawned data-loader workers, and end a worker that cannot send its batch.

Upstream bugs:

- Unpickling an mmdet dataset in a data-loader worker imports ``mmcv.ops`` before anything imports
  condinst. The startup file covers this where condinst is installed; this module covers a
  checkout on ``PYTHONPATH``. Delete together with ``finder.py``.
- If a worker cannot send a batch, because the shared memory is full or because something in
  it cannot be pickled, Python prints a traceback and drops the batch, and torch (2.14) waits for it
  forever. Delete when torch passes such an error on.
"""

import errno
import os
import sys

OUT_OF_SHARED_MEMORY = errno.ENOSPC
"""Exit code of a worker that had no shared memory for its batch."""


class Messenger:
    """Object that child processes unpickle, which imports condinst and so applies the fixes."""


def apply(upstream: str) -> None:
    """Put a messenger among the values that every child unpickles before its arguments.

    Args:
        upstream: ``multiprocessing.queues``, which torch imports. Its import takes a while, so
            that commands which start no process do not wait for it.
    """
    import multiprocessing
    from multiprocessing.queues import Queue

    multiprocessing.current_process()._config["condinst"] = Messenger()  # type: ignore[attr-defined]
    if Queue._on_queue_feeder_error is not _end_worker:  # type: ignore[attr-defined]
        _end_worker.original = Queue._on_queue_feeder_error  # type: ignore[attr-defined]
        Queue._on_queue_feeder_error = staticmethod(_end_worker)  # type: ignore[attr-defined]


def _end_worker(error: BaseException, item: object) -> None:
    """Handle an object that a queue cannot send: end a data worker, else do as before."""
    data = sys.modules.get("torch.utils.data")
    if data is None or data.get_worker_info() is None:
        _end_worker.original(error, item)  # type: ignore[attr-defined]
        return
    text = " ".join(str(error).split())
    print(
        f"data worker with pid {os.getpid()}: its batch cannot be sent: "
        f"{type(error).__name__}: {text}",
        file=sys.stderr,
        flush=True,
    )
    no_room = "shared memory" in text or os.strerror(errno.ENOSPC) in text
    os._exit(OUT_OF_SHARED_MEMORY if no_room else 1)
