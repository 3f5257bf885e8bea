"""Write and remove the files of checkpoints: whole or not at all, and only in a run's own folder.

:mod:`condinst.compat.checkpoint_writing` says which bugs of mmengine this works around.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import mmengine
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook

from condinst.utils.files import check_replaceable
from condinst.utils.temporary_file import open_own

__all__ = ["MARK", "TEMPORARY", "path_of", "put", "remove", "replace_link", "write_mark"]

MARK = "last_checkpoint"
"""The file in a work folder that names the newest checkpoint, for people and other programs."""

TEMPORARY = ".tmp"
"""The ending of a file's name until the file is whole."""


def put(self: LocalBackend, obj: bytes, filepath: str | Path) -> None:
    """Write a temporary file beside ``filepath``, then rename it: all or nothing."""
    path = Path(os.path.realpath(filepath))
    check_replaceable(path)
    mmengine.mkdir_or_exist(str(path.parent))
    temporary = path.with_name(f"{path.name}{TEMPORARY}")
    try:
        with os.fdopen(open_own(temporary), "wb") as file:  # a link there is not followed
            file.truncate(0)
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        reason = f"cannot be written ({error.strerror}); what was there before is untouched"
        raise OSError(error.errno, reason, str(filepath)) from error
    except KeyboardInterrupt:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, before anything older is removed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot do this
        pass
    finally:
        os.close(descriptor)


def write_mark(hook: CheckpointHook, runner: Any) -> None:
    """Write ``last_checkpoint``: the newest checkpoint, relative to the work folder."""
    last = hook.last_ckpt
    if _is_local(hook):
        last = os.path.relpath(last, runner.work_dir)
    mark = Path(runner.work_dir, MARK)
    try:
        replace_link(mark)
        check_replaceable(mark)
        LocalBackend().put(last.encode(), mark)
    except OSError as error:  # such as a folder of that name
        runner.logger.warning(f"{error}; --resume does not need it")


def remove(hook: CheckpointHook, runner: Any, name: str) -> bool:
    """Remove a file, a folder or a link by its name in the folder of checkpoints.

    From the content of a checkpoint, only a number or a name of the hook's own form gets here, so
    that nothing outside the folder can be removed.

    Returns:
        Whether something was removed.
    """
    path, backend = path_of(hook, name), hook.file_backend
    try:
        if _is_local(hook) and os.path.islink(path):
            os.unlink(path)  # not the target
        elif backend.isfile(path):
            backend.remove(path)
        elif backend.isdir(path):  # of a strategy
            shutil.rmtree(path) if _is_local(hook) else backend.rmtree(path)
        else:
            return False
    except OSError as error:
        runner.logger.log(logging.WARNING, f"{path}: cannot be removed ({error})")
        return False
    return True


def replace_link(path: str | Path) -> None:
    """Remove a link of the target's name: the writer would follow it out of the folder."""
    if os.path.islink(path):
        os.unlink(path)


def path_of(hook: CheckpointHook, name: str) -> str:
    return hook.file_backend.join_path(hook.out_dir, name)


def _is_local(hook: CheckpointHook) -> bool:
    backend = getattr(hook.file_backend, "client", hook.file_backend)  # of the older FileClient
    return isinstance(backend, LocalBackend)
