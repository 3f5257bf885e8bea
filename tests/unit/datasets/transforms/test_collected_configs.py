"""Pipelines of mmdet's transforms from other people's configs: samples, or a line that refuses."""

import importlib.util

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from condinst.config.check import check_config
from condinst.datasets.checks.checks import check_datasets
from condinst.datasets.shapes.generator import make_shapes
from condinst.registry import DATASETS

PIPELINES = ("albu_True", "cachedmosaic_False", "copypaste_True", "mosaic_False")


@pytest.fixture
def read(shared, tmp_path, monkeypatch):
    """Return read(name), the config of that name with generated images."""
    folder = shared / "cases/configs"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    make_shapes(tmp_path / "data/shapes", num_train=8, num_val=2)
    monkeypatch.chdir(tmp_path)
    init_default_scope("condinst")
    return lambda name: Config.fromfile(folder / f"{name}.py")


@pytest.mark.parametrize("name", PIPELINES)
def test_samples_or_one_line(read, name):
    cfg = read(name)
    check_config(cfg)
    if name.startswith("albu") and importlib.util.find_spec("albumentations") is None:
        with pytest.raises(ValueError, match="pip install albumentations"):
            check_datasets(cfg)
        return
    check_datasets(cfg)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    for index in range(len(dataset)):
        objects = dataset[index]["data_samples"].gt_instances
        boxes = objects.bboxes.tensor.numpy()
        for drawn, (x1, y1, x2, y2) in zip(objects.masks.to_ndarray(), boxes, strict=True):
            rows, columns = np.nonzero(drawn)
            if rows.size:  # within the box, up to the stride of the samples
                assert x1 - 2 <= columns.min() <= columns.max() <= x2 + 2
                assert y1 - 2 <= rows.min() <= rows.max() <= y2 + 2
