"""Test that the data's own test split is what condinst test measures on."""

import subprocess
import sys

import pytest
from mmengine.config import Config
from tiny_data import write_part

from condinst.new import create

CLASSES = ["cat", "dog"]
OBJECTS = [[("cat", 20), ("dog", 30)], [("dog", 10)], [("cat", 15)]]


@pytest.mark.parametrize("splits", [("train", "val", "test"), ("train", "test")])
def test_the_test_split_is_used(tmp_path, splits):
    for split in splits:
        write_part(tmp_path / "data", split, OBJECTS, CLASSES)
    created = create("mine", tmp_path / "data", out=tmp_path / "mine", device="cpu")
    cfg = Config.fromfile(created.config)
    test = cfg.test_dataloader.dataset
    assert test.ann_file.endswith("instances_test.json")
    assert test.data_prefix.img.rstrip("/").endswith("test")
    assert cfg.test_evaluator.ann_file.endswith("instances_test.json")
    assert cfg.val_dataloader.dataset.ann_file.endswith("instances_val.json")
    assert cfg.val_evaluator.ann_file.endswith("instances_val.json")
    assert any("the 3 images of the test split" in note for note in created.notes)


@pytest.mark.long
def test_data_are_read_without_pytorch():
    code = "import sys, condinst.new, condinst.dataset_converters; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
