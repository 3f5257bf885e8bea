"""A generated dataset and a trained model, made once for all integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import SMALL, TRAIN, run

from condinst.datasets.shapes.generator import make_shapes


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """8 images of 96 pixels to train on, 4 to validate on."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, num_train=8, num_val=4, size=96)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, shapes) -> Path:
    """The work folder of ``tools/train.py`` on the small config."""
    work_dir = tmp_path_factory.mktemp("trained")
    run(TRAIN, SMALL, "--seed", 0, "--work-dir", work_dir, data=shapes)
    return work_dir
