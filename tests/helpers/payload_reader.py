"""Reads every payload by every reader, in a process of its own, which may crash: FOLDER [all].

Prints one JSON object: {"reader: payload, format": [error's class, message]}; the class is null
where the payload was read. "ran" lists what a payload left behind.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import payloads
import torch

import condinst.registry  # noqa: F401
from condinst.checkpoints.weight_files import read
from condinst.compat.checkpoint import load_from_local


def outcome(reader: Callable[[Path], Any], path: Path) -> tuple[str | None, str]:
    try:
        reader(path)
    except Exception as error:
        return type(error).__name__, str(error)[:1000]
    return None, ""


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def main(folder: Path, quick: bool) -> None:
    warnings.simplefilter("ignore")
    work, stock = folder / "work", folder / "stock"
    for place in (work, stock):
        place.mkdir()
    os.chdir(work)
    payloads.prepare(work)
    before = files(work)
    found: dict[str, Any] = {"ran": []}
    at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, path in payloads.write_all(stock, quick):
        readers: dict[str, Callable[[Path], Any]] = {}
        if not quick or path.suffix == ".pkl":
            readers["convert"] = read
        if path.suffix == ".pth":
            readers["load"] = lambda path: load_from_local(str(path), "cpu")
            if name.rpartition(",")[0] in payloads.code() | payloads.arrays():
                readers["torch"] = lambda path: torch.load(path, weights_only=True)
        for kind, reader in readers.items():
            found[f"{kind}: {name}"] = outcome(reader, path)
            if files(work) != before:
                found["ran"].append(f"{kind}: {name}")
                before = files(work)
        path.unlink()
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_start
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] != ["all"])
