"""Train a small model on generated images, and draw its predictions; see --help."""

from condinst.cli import errors, quickstart

if __name__ == "__main__":
    errors.run(quickstart.main)
