"""Measure how soon each command says something, and the processor time that it takes.

    python -m benchmarks.first_line --data data/shapes --runs 5

Each command is started as a process of its own, in an empty folder. "First line" is the wall time
until it prints its first line; "CPU" is user and system time of the process with its children, as
the system counts them (``resource.getrusage``). Both are medians of the runs.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def commands(data: Path) -> dict[str, list[str]]:
    """Return the words after ``condinst`` of each command, by the name in the table."""
    config, root = "quickstart_condinst_r18_fpn_shapes", f"data_root={data}/"
    short = ["train_cfg.max_iters=1", "train_cfg.val_interval=9"]
    return {
        "--help": ["--help"],
        "a misspelt command": ["trian"],
        "list": ["list"],
        "predict, a missing image": ["predict", "shapes", "missing.jpg"],
        "predict, one image": ["predict", "shapes", str(data / "val" / "000000.png")],
        "train, a missing config": ["train", "missing.py"],
        "train, one iteration": ["train", config, "--cfg-options", root, *short],
        "test": ["test", "shapes", "--data-root", str(data)],
        "info": ["info", config, "--no-memory"],
        "doctor": ["doctor"],
    }


def measure(words: Sequence[str], folder: Path) -> tuple[float, float]:
    """Start a command once; return the seconds to its first line, and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "condinst", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = time.perf_counter() - start
        process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return first, sum(after[:2]) - sum(before[:2])


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of condinst make-shapes")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default 5)")
    parser.add_argument("--only", nargs="+", help="names of some of the commands")
    args = parser.parse_args(argv)
    print("| command | first line, s | CPU, s |\n| --- | --- | --- |")
    for name, words in commands(args.data.absolute()).items():
        if args.only and name not in args.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            runs = [measure(words, Path(folder)) for _ in range(args.runs)]
        first, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {name} | {first:.2f} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
