"""Give every start a log folder of its own.

Upstream bug (mmengine 0.10.7): ``Runner`` names its log folder and its logger by the second. Tests
of several checkpoints that start together overwrite each other's log and metrics, and a second
runner of a program writes to the log file of the first. Delete when mmengine's names are unique.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

__all__ = ["apply"]


def apply(upstream: str) -> None:
    """Make ``Runner`` wait for a second that no other start has taken."""
    runner: Any = vars(sys.modules[upstream])["Runner"]
    setup = runner.setup_env

    def setup_env(self: Any, env_cfg: dict) -> None:
        setup(self, env_cfg)
        self._timestamp = _own_second(self.work_dir, self._timestamp)

    runner.setup_env = setup_env


def _own_second(work_dir: str, stamp: str) -> str:
    """Return the name of a second, the same in all processes; the first makes its folder."""
    from mmengine.dist import broadcast_object_list, get_rank

    if get_rank() == 0:
        while _logs_already(stamp) or not _make(os.path.join(work_dir, stamp)):
            time.sleep(0.05)
            stamp = time.strftime("%Y%m%d_%H%M%S")
    answer = [stamp]
    broadcast_object_list(answer)
    return answer[0]


def _logs_already(stamp: str) -> bool:
    from mmengine.logging import MMLogger

    return any(name.endswith(stamp) for name in MMLogger._instance_dict)


def _make(folder: str) -> bool:
    """Make a folder; False if there is one."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    except OSError:  # mmengine's own attempt reports it
        pass
    return True
