"""Train a model from a config; see --help."""

from condinst.cli import common, train

if __name__ == "__main__":
    common.run(train.main)
