"""How the tests start the project's commands, as a user does, and read what they leave behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from mmengine_state import own_state

REPO = Path(__file__).resolve().parents[2]
TRAIN = REPO / "tools" / "train.py"
TEST = REPO / "tools" / "test.py"
SMALL = Path(__file__).with_name("small_condinst.py")


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def start(
    *command: object, data: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a program (with this Python where it is a .py file) on one thread."""
    words = [str(word) for word in command]
    if words[0].endswith(".py") or words[0].startswith("-"):
        words.insert(0, sys.executable)
    settings = {"OMP_NUM_THREADS": "1", "PYTHON": sys.executable, **(environment or {})}
    if data is not None:
        settings["CONDINST_DATA_ROOT"] = f"{data.as_posix()}/"
    return subprocess.Popen(
        words,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 600) -> Done:
    """Wait for a program, ten minutes at most unless the test says otherwise."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hangs: {process.args}\n{out}\n{err}") from None
    return Done(process.returncode, out, err)


def run(
    *command: object,
    data: Path | None = None,
    environment: dict[str, str] | None = None,
    code: int = 0,
) -> Done:
    """Run a program that is expected to end with this exit code."""
    done = finish(start(*command, data=data, environment=environment))
    assert done.code == code, f"exit code {done.code}\n{done.out}\n{done.err}"
    return done


def run_here(*words: object, data: Path | None = None) -> None:
    """Run ``condinst`` in this process, on the data of this folder; it has to succeed."""
    from condinst.cli.main import main

    root = {} if data is None else {"CONDINST_DATA_ROOT": f"{data.as_posix()}/"}
    with own_state(), patch.dict(os.environ, root):
        assert main([str(word) for word in words]) == 0


def log_folders(work_dir: Path) -> list[Path]:
    """One folder for each start, oldest first."""
    return sorted(path.parent for path in work_dir.glob("*/*.log"))


def read_scalars(log_folder: Path) -> dict[int, dict[str, float]]:
    """What each logged training iteration says."""
    lines = (log_folder / "vis_data" / "scalars.json").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return {record["iter"]: record for record in records if "iter" in record}


def read_metrics(work_dir: Path) -> dict[str, float]:
    """The metrics of the work folder's last test."""
    folder = log_folders(work_dir)[-1]
    metrics = json.loads((folder / f"{folder.name}.json").read_text())
    return {name: value for name, value in metrics.items() if name.startswith("coco/")}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
