"""A module for a test's config to import: a process that dies at a chosen moment."""

import os
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


def die(*args) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class KillHook(Hook):
    """Kills every process after an iteration, or the first while it writes a checkpoint."""

    priority = "VERY_LOW"

    def __init__(self, after_iter: int | None = None, while_writing: int | None = None) -> None:
        self.after_iter, self.while_writing = after_iter, while_writing

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if batch_idx + 1 == self.while_writing and get_rank() == 0:
            os.fsync = die  # the file's bytes are on their way, its name is not there yet

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if batch_idx + 1 == self.after_iter:
            die()
