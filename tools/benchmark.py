"""Compare the speed and memory of condinst with mmdet's CondInst; see --help."""

import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1])
)  # for benchmarks/, which is not installed

from benchmarks import command
from condinst.cli import errors

if __name__ == "__main__":
    errors.run(command.main)
