"""Find the newest whole checkpoint of a work folder.

Upstream bug (mmengine 0.10.7): ``find_latest_checkpoint`` returns whatever ``last_checkpoint``
names, even if that file is damaged, missing, or in the folder that this one was copied from. Delete
when mmengine looks at the checkpoints themselves.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from condinst.compat.checkpoint_file import check_whole
from condinst.compat.checkpoint_store import MARK
from condinst.compat.checkpoint_writing import STARTED
from condinst.utils.files import check_regular

_FORMS = (("iter_", ".pth"), ("epoch_", ".pth"))
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)(?P<after>\D*)")


def apply(upstream: str) -> None:
    """Replace the function in every module of mmengine that has imported it."""
    for name in ("", ".checkpoint", ".runner"):
        module: Any = importlib.import_module(f"{upstream}{name}")
        module.find_latest_checkpoint = find_latest_checkpoint
    module = importlib.import_module(f"{upstream}._flexible_runner")
    module.find_latest_checkpoint = functools.partial(find_latest_checkpoint, folders=True)


def find_latest_checkpoint(path: str, folders: bool = False) -> str | None:
    """Return the path of :func:`newest_whole`, with mmengine's name and types."""
    found = newest_whole(path, folders=folders)
    return None if found is None else str(found[0])


def newest_whole(
    folder: str | os.PathLike[str], template: str | None = None, folders: bool = False
) -> tuple[Path, dict[str, Any]] | None:
    """Find the newest checkpoint in a folder that a run can resume from.

    The newest is the one with the most iterations of the run that was started last; the file
    ``last_checkpoint`` is not believed. Damaged files are skipped with a warning.

    Args:
        folder: a work folder; need not exist.
        template: the ``filename_tmpl`` of the config's ``CheckpointHook``, if it has one.
        folders: count a folder as the checkpoint of a strategy (FSDP, DeepSpeed), whose processes
            have saved a part each; its content is not checked.

    Returns:
        The checkpoint and its ``meta`` (empty for a strategy's folder), or None if nothing has been
        saved.

    Raises:
        ValueError: there are checkpoints, but a run can resume from none of them.
    """
    folder = Path(folder)
    newest: _Found | None = None
    skipped: list[str] = []
    for numbered in _candidates(folder, template).values():
        highest: _Found | None = None
        for number, path in sorted(numbered, reverse=True):
            try:
                written = path.stat().st_mtime
                if highest is not None and written <= highest.written:
                    continue  # an older file of the same run: files of a later run are newer
                found = _Found(path, number, written, *_read(path, folders))
            except (ValueError, OSError) as error:
                skipped.append(path.name)
                _warn(f"skipped: {error}")
                continue
            highest = found if highest is None or found.age > highest.age else highest
        if highest is not None and (newest is None or highest.age > newest.age):
            newest = highest
    if newest is not None:
        return newest.path, newest.meta
    if skipped:
        raise ValueError(
            f"{folder}: none of its checkpoints is whole ({', '.join(skipped)}); name another "
            "one by --resume FILE, or remove them to start over"
        )
    if best := sorted(folder.glob("best_*.pth")):
        raise ValueError(
            f"{folder}: the only checkpoint is {best[-1].name}, which has weights but no state of "
            f"the optimizer; to start from its weights: --cfg-options load_from={best[-1]}"
        )
    return None


class _Found(NamedTuple):
    """A whole checkpoint, when its file was written, and what it says about its run."""

    path: Path
    number: int
    written: float
    meta: dict[str, Any]
    started: float

    @property
    def age(self) -> tuple[float, int]:
        return self.started, self.meta.get("iter", self.number)


def _candidates(
    folder: Path, template: str | None
) -> dict[tuple[str, ...], list[tuple[int, Path]]]:
    """Return the numbered checkpoints, grouped by the text before and after the number."""
    known: set[tuple[str, ...]] = {*_FORMS}
    if template is not None:
        known.add(tuple(re.split(r"\{.*?\}", template, maxsplit=1)))
    if marked := _NUMBERED.fullmatch(_read_mark(folder)):
        known.add(marked.group("before", "after"))
    found: dict[tuple[str, ...], list[tuple[int, Path]]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NUMBERED.fullmatch(path.name)
        form = match and match.group("before", "after")
        if match and form in known and not path.name.startswith("best_"):
            found.setdefault(form, []).append((int(match["number"]), path))
    return found


def _read_mark(folder: Path) -> str:
    """Return the file name in ``last_checkpoint``, or an empty text."""
    try:
        check_regular(folder / MARK)
        with (folder / MARK).open("rb") as file:
            text = file.read(4096).decode(errors="replace")
    except (OSError, ValueError):  # none, or a folder or a pipe
        return ""
    return re.split(r"[\\/]", text.strip())[-1]


def _read(path: Path, folders: bool) -> tuple[dict[str, Any], float]:
    """Return what a checkpoint says about its run, and when that run was started.

    Raises:
        ValueError: the checkpoint is damaged, or no run can resume from it.
        OSError: the checkpoint cannot be read.
    """
    from mmengine.runner import CheckpointLoader

    if path.is_dir():
        if folders and any(path.iterdir()):
            return {}, 0.0
        raise ValueError(f"{path}: {'an empty' if folders else 'a'} folder, expected a checkpoint")
    check_whole(path)
    checkpoint = CheckpointLoader.load_checkpoint(str(path), "cpu", logger="silent")
    hub = checkpoint.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, dict) else None
    started = info.get(STARTED) if isinstance(info, dict) else None
    return training_meta(checkpoint, str(path)), started if isinstance(started, float) else 0.0


def training_meta(checkpoint: dict[str, Any], name: str, option: str = "") -> dict[str, Any]:
    """Return the ``meta`` of a loaded checkpoint.

    Args:
        checkpoint: content of the file.
        name: of the file, for the message.
        option: the option that named the file, for the message.

    Raises:
        ValueError: the checkpoint holds weights, but no state of a training.
    """
    meta = checkpoint.get("meta")
    if not isinstance(meta, dict) or type(meta.get("iter")) is not int or meta["iter"] < 0:
        raise ValueError(
            f"{option}{name}: holds weights, but no state of a training; to start a new training "
            f"from these weights, use --cfg-options load_from={name}"
        )
    return meta


def _warn(text: str) -> None:
    from mmengine.logging import print_log

    first = all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID"))
    if first:
        print_log(text, "current", logging.WARNING)
