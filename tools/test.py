"""Evaluate a checkpoint; see --help."""

from condinst.cli import errors, test

if __name__ == "__main__":
    errors.run(test.main)
