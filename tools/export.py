"""Export a detector; see --help."""

from condinst.cli import errors, export

if __name__ == "__main__":
    errors.run(export.main)
