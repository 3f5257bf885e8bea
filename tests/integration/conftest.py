"""A generated dataset and a trained model, made once for all integration tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import SMALL, run_here

from condinst.datasets.shapes.generator import make_shapes


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """8 images of 96 pixels to train on, 4 to validate on."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, num_train=8, num_val=4, size=96)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, shapes) -> Path:
    """The work folder of ``condinst train`` on the small config."""
    work_dir = tmp_path_factory.mktemp("trained")
    run_here("train", SMALL, "--seed", 0, "--work-dir", work_dir, data=shapes)
    return work_dir


@pytest.fixture(scope="session")
def checkpoint(trained) -> Path:
    return trained / "iter_80.pth"


@pytest.fixture(scope="session")
def three_images(shapes, tmp_path_factory) -> Path:
    """A folder of three of the images that were trained on."""
    folder = tmp_path_factory.mktemp("images")
    for file in sorted((shapes / "train").glob("*.png"))[:3]:
        shutil.copy(file, folder)
    return folder
