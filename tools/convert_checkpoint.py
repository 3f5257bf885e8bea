"""Convert weights between layouts; see --help."""

from condinst.cli import convert, errors

if __name__ == "__main__":
    errors.run(convert.main)
