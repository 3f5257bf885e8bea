"""tools/benchmark.py."""

import json

import pytest

from condinst.cli import benchmark


def test_a_folder_without_cocos_layout_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"instances_train2017.json is not a file.*COCO"):
        benchmark.main([str(tmp_path)])


@pytest.mark.slow
@pytest.mark.parametrize("part", ["mask_head", "mask_targets", "inference", "training"])
def test_a_part_runs_and_agrees(shared, tmp_path, part):
    """Each part asserts by itself that both implementations give the same."""
    arguments = [str(shared / "coco_tiny"), "--rounds", "1", "--num-images", "2"]
    found = benchmark.main([*arguments, "--parts", part, "--out", str(tmp_path), "--name", "x"])
    assert found
    assert len(json.loads((tmp_path / "x.json").read_text())["results"]) == len(found)
