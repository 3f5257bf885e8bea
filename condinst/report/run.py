"""Read the work folder of a run: config, curves, saved predictions, machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condinst.report.curves import TrainingCurves, read_curves, read_records
from condinst.utils.files import read_regular, write_whole
from condinst.utils.words import without_error_numbers

__all__ = ["INFO_FILE", "PREDICTIONS", "Run", "read_info", "read_run", "write_info"]

INFO_FILE = "run_info.json"
# what a training leaves: mmengine's logs and checkpoints, the files of our hooks
_TRACES = ("*/*.log", "*/vis_data", "*.pth", "last_checkpoint", INFO_FILE, "predictions_val*.json")
# predictions of the last validation, and of the best one so far
PREDICTIONS = {"last": "predictions_val.json", "best": "predictions_val_best.json"}


@dataclass(frozen=True)
class Run:
    """A finished or unfinished training.

    Attributes:
        work_dir: the work folder.
        config: the config file of the run.
        curves: the training curves; None if nothing was logged.
        info: the notes of ReportHook; empty without them.
        missing: sentences on what was not found.
        folders: where relative paths of the config are looked for, in this order.
    """

    work_dir: Path
    config: Path
    curves: TrainingCurves | None
    info: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def predictions(self, which: str) -> Path | None:
        """Return the predictions of the "last" or "best" validation; None if not saved."""
        path = self.work_dir / PREDICTIONS[which]
        return path if path.is_file() else None

    @property
    def checkpoints(self) -> dict[str, str]:
        """Return the file names of the "last" and the "best" checkpoint, as far as they exist."""
        found = {}
        noted = self.work_dir / "last_checkpoint"
        if noted.is_file():
            text = noted.read_bytes()[:4096].decode(errors="replace")
            found["last"] = Path(text.strip()).name
        best = sorted(self.work_dir.glob("best_*.pth"), key=lambda path: path.lstat().st_mtime)
        if best:
            found["best"] = best[-1].name
        return {which: name for which, name in found.items() if (self.work_dir / name).exists()}


def read_run(work_dir: str | os.PathLike[str]) -> Run:
    """Read a work folder.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder holds no config, so it is not the folder of a run.
    """
    folder = Path(work_dir)
    if folder.is_file():
        raise ValueError(
            f"{folder}: is a file, expected the work folder of a training{_near(folder)}"
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"work folder not found: {folder}")
    config = _config(folder)
    if not any(any(folder.glob(trace)) for trace in _TRACES):
        raise ValueError(f"{folder}: no training in it, only a config{_near(folder)}")
    missing = []
    try:
        curves = read_curves(folder)
    except FileNotFoundError as error:
        curves = None
        missing.append(without_error_numbers(str(error)))
    info = read_info(folder)
    return Run(folder, config, curves, info, missing, _folders(folder, info))


def _near(path: Path) -> str:
    """Return "; did you mean ...?" where a config of this name or folder was trained."""
    configs = [path] if path.is_file() else sorted(path.glob("*.py"))
    folders = [Path("work_dirs") / config.stem for config in configs]
    there = next((folder for folder in folders if folder.is_dir()), None)
    return f"; did you mean {there}?" if there else "; condinst train writes to work_dirs/NAME"


def _folders(work_dir: Path, info: Mapping[str, Any]) -> list[Path]:
    """Return where the training was started, this folder, and all folders above the work folder.

    A config names its data from the folder where the training was started. Older runs have not
    noted it; it is usually above the work folder.
    """
    noted = info.get("started_in")
    started = [Path(noted)] if isinstance(noted, str) and noted else []
    return [*started, Path.cwd(), *work_dir.resolve().parents]


def _config(folder: Path) -> Path:
    """Return the config of the last start that trained; tests write configs there too."""
    starts = sorted(folder.glob("*/vis_data/scalars.json"), reverse=True)
    for scalars in filter(Path.is_file, starts):
        config = scalars.with_name("config.py")
        if config.is_file() and any("iter" in record for record in read_records(scalars)):
            return config
    others = [*folder.glob("*.py"), *folder.glob("*/vis_data/config.py")]
    others = [path for path in others if path.is_file()]
    if not others:
        raise ValueError(
            f"{folder}: not the work folder of a training; expected a config, *.py or "
            "*/vis_data/config.py"
        )
    return max(others, key=lambda path: path.stat().st_mtime)


def read_info(work_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the notes of ReportHook; empty if there are none that can be read."""
    try:
        info = json.loads(read_regular(Path(work_dir) / INFO_FILE).decode())
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def write_info(work_dir: str | os.PathLike[str], info: Mapping[str, Any]) -> None:
    """Write the notes of ReportHook, replacing the file."""
    write_whole(Path(work_dir) / INFO_FILE, json.dumps(info, indent=1))
