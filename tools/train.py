"""Train a model from a config; see --help."""

from condinst.cli import errors, train

if __name__ == "__main__":
    errors.run(train.main)
