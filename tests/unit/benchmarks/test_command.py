"""tools/benchmark.py."""

import json

import pytest

from benchmarks import command as benchmark

pytestmark = pytest.mark.long


def test_a_folder_without_cocos_layout_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"instances_train2017.json is not a file.*COCO"):
        benchmark.main([str(tmp_path)])


def test_an_annotation_file_is_made_and_checked(datasets, tmp_path):
    """The figures are of a file that both readers take."""
    arguments = [str(datasets / "coco_tiny"), "--num-images", "50", "--parts", "annotations"]
    found = benchmark.main([*arguments, "--out", str(tmp_path), "--name", "x"])
    assert [comparison.unit for comparison in found] == ["s", "B"]
    assert all("50 images, 364 objects" in comparison.note for comparison in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    ["mask_head", "mask_targets", "inference", "training"]
    + ["rtmdet_inference", "rtmdet_training", "rtmdet_pipeline", "rtmdet_deploy"],
)
def test_a_part_runs_and_agrees(datasets, tmp_path, part):
    """Each part asserts by itself that both implementations give the same."""
    arguments = [str(datasets / "coco_tiny"), "--rounds", "1", "--num-images", "2"]
    found = benchmark.main([*arguments, "--parts", part, "--out", str(tmp_path), "--name", "x"])
    assert found
    assert len(json.loads((tmp_path / "x.json").read_text())["results"]) == len(found)
