"""Test how a work folder is read."""

import json

import pytest

from condinst.report.run import read_run


def test_the_config_is_that_of_the_training_not_of_a_later_test(work_dir):
    later = work_dir / "20260101_001000" / "vis_data"
    later.mkdir(parents=True)
    (later / "config.py").write_text("other = 1")
    (later / "scalars.json").write_text(json.dumps({"coco/segm_mAP": 0.1, "step": 0}))
    assert "000000" in str(read_run(work_dir).config)


@pytest.mark.parametrize("make_folder", [False, True])
def test_other_folders_are_refused(tmp_path, make_folder):
    folder = tmp_path / "x"
    if make_folder:
        folder.mkdir()
        with pytest.raises(ValueError, match="not the work folder of a training"):
            read_run(folder)
    else:
        with pytest.raises(FileNotFoundError, match="work folder not found"):
            read_run(folder)
