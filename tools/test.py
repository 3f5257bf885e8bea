"""Evaluate a checkpoint; see --help."""

from condinst.cli import common, test

if __name__ == "__main__":
    common.run(test.main)
