"""Export a detector; see ``python tools/export.py --help``."""

from condinst.cli import common, export

if __name__ == "__main__":
    common.run(export.main)
