"""``condinst test``: the config that its options make."""

import pytest

from condinst.cli import test as command
from condinst.compat.checkpoint_file import LEGACY_START
from condinst.config.nodes import type_name


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Return the config that the words make, with a checkpoint that exists."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pth").write_bytes(LEGACY_START)  # only the ends are read here

    def build_config(*words):
        return command.build_config(
            command.parse_args(["quickstart_condinst_r18_fpn_shapes", "a.pth", *words])
        )

    return build_config


def test_matching_is_measured_beside_the_ap(build):
    without, cfg = build(), build("--metric", "matching", "--score-thr", "0.45")
    first, second = cfg.test_evaluator
    assert first == without.test_evaluator
    assert second == dict(type="condinst.MatchingMetric", ann_file=first.ann_file, score_thr=0.45)
    assert type_name(second) == "MatchingMetric"
    assert cfg.model.test_cfg.mask_format == "rle"  # no whole mask of a detection is made


def test_what_matching_cannot_use(build):
    with pytest.raises(ValueError, match="--score-thr"):
        build("--metric", "matching", "--score-thr", "1.5")
    with pytest.raises(ValueError, match="names no ann_file, whose masks it needs"):
        build("--metric", "matching", "--cfg-options", "test_evaluator.ann_file=None")
