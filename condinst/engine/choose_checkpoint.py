"""Choose the checkpoint that a training resumes from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["checkpoint_folder", "set_resume"]


def set_resume(cfg: Config, source: str | None) -> None:
    """Make a config resume from a checkpoint, with the seed of that run unless the config has one.

    mmengine reads the seed from the checkpoint too, but only after the sampler has shuffled the
    data with a new one.

    Args:
        cfg: changed in place.
        source: a path or URL; "auto" for the newest whole checkpoint of the config's folder, if
            there is one; None to follow ``resume`` and ``load_from`` of the config.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds no state of a training that can continue.
    """
    if source is None:
        if not cfg.get("resume"):
            return
        source = cfg.get("load_from") or "auto"
    found = _newest(cfg) if source == "auto" else _named(cfg, source)
    if found is None:  # nothing is saved yet: the run starts, from load_from if there is one
        return
    path, meta = found
    cfg.resume = True
    cfg.load_from = str(path)
    randomness = cfg.get("randomness") or {}
    if randomness.get("seed") is None:
        cfg.randomness = dict(randomness, seed=_seed(meta, path))


def _seed(meta: dict[str, Any], path: str | os.PathLike[str]) -> int | None:
    seed = meta.get("seed")
    if seed is None or (type(seed) is int and 0 <= seed < 2**32):
        return seed
    raise ValueError(
        f"{path}: the seed of its run is {seed!r}, expected a whole number, 0 to {2**32 - 1}; "
        "--seed N sets another one"
    )


def checkpoint_folder(cfg: Config) -> Path:
    """Return the folder that the config's ``CheckpointHook`` writes to."""
    work_dir = Path(cfg.work_dir)
    out_dir = _hook(cfg).get("out_dir")
    return work_dir if out_dir is None else Path(out_dir, work_dir.name)


def _hook(cfg: Config) -> dict[str, Any]:
    hook = (cfg.get("default_hooks") or {}).get("checkpoint")
    return hook if isinstance(hook, dict) else {}


def _newest(cfg: Config) -> tuple[str | os.PathLike[str], dict[str, Any]] | None:
    from condinst.compat.checkpoint_search import newest_whole

    template = _hook(cfg).get("filename_tmpl")
    return newest_whole(checkpoint_folder(cfg), template, folders=bool(cfg.get("strategy")))


def _named(cfg: Config, source: str) -> tuple[str, dict[str, Any]]:
    from mmengine.runner import CheckpointLoader

    from condinst.compat.checkpoint_search import training_meta

    if os.path.isdir(source):
        if cfg.get("strategy"):
            return source, {}  # its processes have saved a part each
        raise ValueError(
            f"--resume {source}: a folder, expected a checkpoint file; --resume without a name "
            "takes the newest one of --work-dir"
        )
    if not source:
        raise ValueError("--resume '': expected a checkpoint file, or no name for the newest one")
    checkpoint = CheckpointLoader.load_checkpoint(source, "cpu")
    return source, training_meta(checkpoint, source, "--resume ")
