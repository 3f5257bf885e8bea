"""A small generated dataset to damage."""

import json

import pytest

from condinst.datasets.shapes.generator import make_shapes


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """The content of a sound file, and the folder of its images."""
    folder = tmp_path_factory.mktemp("shapes")
    make_shapes(folder, num_train=1, num_val=6, size=96)
    path = folder / "annotations" / "instances_val.json"
    return json.loads(path.read_text()), folder / "val"
