"""Convert weights between layouts; see --help."""

from condinst.cli import common, convert

if __name__ == "__main__":
    common.run(convert.main)
