"""Train a small model on generated images, and draw its predictions; see --help."""

from functools import partial
from pathlib import Path

from condinst.cli import errors, quickstart

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart_condinst_r18_fpn_shapes.py"

if __name__ == "__main__":
    errors.run(partial(quickstart.main, CONFIG))
