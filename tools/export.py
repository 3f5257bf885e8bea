"""Export a detector; see ``python tools/export.py --help``."""

from condinst.cli import errors, export

if __name__ == "__main__":
    errors.run(export.main)
