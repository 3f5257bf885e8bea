"""Run torchrun, and end with one line instead of a traceback.

Upstream bug (torch 2.14): when a process ends with an error that it has reported itself, torchrun
adds a traceback of its own. Delete when it names the process without one.
"""

from __future__ import annotations

import signal
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main() -> int:
    """Run torchrun's command line.

    Returns:
        The exit code: 1 if a process has failed, 128 + signal if a signal has ended this one.
    """
    try:
        run.main()
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has code {code}"
        print(f"torchrun: rank {rank} (process {failure.pid}) {how} first", file=sys.stderr)
        return 1
    except SignalException as error:
        print(f"torchrun: ended by {signal.Signals(error.sigval).name}", file=sys.stderr)
        return 128 + int(error.sigval)
    return 0


if __name__ == "__main__":
    sys.exit(main())
