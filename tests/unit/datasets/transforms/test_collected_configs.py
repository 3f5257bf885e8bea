"""Pipelines of mmdet's transforms from other people's configs: samples, or a line that refuses."""

import importlib.util
import re
import sys

import numpy as np
import pytest
from commands import REPO, finish, start
from mmengine.config import Config
from mmengine.registry import init_default_scope

from condinst.config.check import check_config
from condinst.datasets.checks.checks import check_datasets
from condinst.datasets.shapes.generator import make_shapes
from condinst.engine.build_runner import build_runner
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


def test_every_file_is_tried(read, shared):
    names = {path.stem for path in (shared / "cases/configs").glob("*.py")}
    assert names == {*PIPELINES, "base", "flex", "bigcoord", "rot_pixels"}


def test_the_base_of_the_others(read):
    cfg = read("base")
    check_config(cfg)
    check_datasets(cfg)
    with pytest.raises(ValueError, match=r"'NoSuchStrategy': there is no such strategy"):
        build_runner(read("flex"))


def _script(shared, name, *words):
    """Run a script, with the module that it uses where it is today."""
    text = (shared / f"cases/configs/{name}.py").read_text()
    text = text.replace("condinst.mask_samples", "condinst.targets.mask_samples")
    return finish(start(sys.executable, "-c", text, *words, environment={"PYTHONPATH": str(REPO)}))


@pytest.mark.long
def test_polygons_that_reach_far(read, shared):
    """They take no more memory than one that does not; a process needs most of it for PyTorch."""
    peaks = {}
    for far in ("30", "1e3", "1e6", "1e9", "1e12"):
        done = _script(shared, "bigcoord", far)
        assert done.code == 0, done.err
        peaks[far] = int(re.search(r"peak MB (\d+)", done.out)[1])
    assert max(peaks.values()) < peaks["30"] + 100, peaks


@pytest.mark.long
def test_masks_turn_with_the_image(read, shared):
    done = _script(shared, "rot_pixels")
    assert done.code == 0, done.err
    found = re.findall(r"rotated picture: (\S+)", done.out)
    assert len(found) == 2
    assert all(float(iou) >= 0.9 for iou in found), done.out
