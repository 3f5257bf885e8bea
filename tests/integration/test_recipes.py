"""The recipes of docs/mmdet.md that mix and distort images, trained as they stand there."""

from __future__ import annotations

import importlib.util
import math
import re

import numpy as np
import pytest
from commands import REPO, log_folders, read_scalars, run
from mmengine.config import Config
from mmengine.registry import init_default_scope

from condinst.config.data_root import set_data_root
from condinst.registry import DATASETS

pytestmark = pytest.mark.long

PAGE = (REPO / "docs" / "mmdet.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("### Three recipes") : PAGE.index("### Speed")]
SHAPES, NUCLEI, END, *MIXES = re.findall(r"^```python\n(.*?)^```$", SECTION, re.S | re.M)
RECIPES = dict(zip(("copy_paste", "mosaic_mixup", "albu"), MIXES, strict=True))
FEW = ["train_cfg.max_iters=6", "train_cfg.val_interval=6", "train_dataloader.batch_size=2"]
FEW += ["default_hooks.logger.interval=1", "val_dataloader.dataset.indices=2"]
FEW += [
    f"{split}_dataloader.{key}"
    for split in ("train", "val")
    for key in ("num_workers=0", "persistent_workers=False")
]


@pytest.fixture(params=["shapes", "nuclei"])
def data(request):
    """The head of the config and the folder of the images."""
    if request.param == "shapes":
        return SHAPES, request.getfixturevalue("shapes")
    folder = request.getfixturevalue("shared") / "nuclei"
    if not folder.is_dir():
        pytest.skip("needs ../shared/nuclei")
    return NUCLEI, folder


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains(data, tmp_path, name):
    if name == "albu" and importlib.util.find_spec("albumentations") is None:
        pytest.skip("needs albumentations")
    head, root = data
    path = tmp_path / "recipe.py"
    path.write_text(head + END + RECIPES[name], encoding="utf-8")
    _check_samples(path, root, name)
    work = tmp_path / "work"
    options = [f"data_root={root.as_posix()}/", *FEW]
    done = run("-m", "condinst", "train", path, "--work-dir", work, "--cfg-options", *options)
    assert "validation after 6 iterations" in done.out
    scalars = read_scalars(log_folders(work)[-1])
    for step in range(1, 7):
        losses = {key: value for key, value in scalars[step].items() if "loss" in key}
        assert {"loss_cls", "loss_bbox", "loss_centerness", "loss_mask"} <= set(losses)
        assert all(math.isfinite(value) for value in losses.values()), (step, losses)


def _check_samples(path, root, name):
    """Every mask lies in its box and, where nothing is rotated, reaches its sides."""
    init_default_scope("condinst")
    cfg = Config.fromfile(path)
    set_data_root(cfg, root.as_posix())
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    np.random.seed(0)
    tight = number = more = 0
    for index in range(8):
        objects = dataset[index]["data_samples"].gt_instances
        boxes = objects.bboxes.tensor.numpy()
        for drawn, box in zip(objects.masks.to_ndarray(), boxes, strict=True):
            rows, columns = np.nonzero(drawn)
            if not rows.size:  # hidden, or smaller than the stride
                continue
            found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (found[:2] >= box[:2] - 2).all(), (index, found, box)
            assert (found[2:] <= box[2:] + 2).all(), (index, found, box)
            tight += bool((np.abs(found - box) <= 4).all())
            number += 1
        inner = getattr(dataset, "dataset", dataset)  # of MultiImageMixDataset
        more += len(objects) > len(inner.get_data_info(index)["instances"])
    assert number >= 8
    if name == "copy_paste":
        assert more
    if name != "albu":
        assert tight >= 0.7 * number, (tight, number)
