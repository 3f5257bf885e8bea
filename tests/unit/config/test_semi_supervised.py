"""mmdet's semi-supervised detectors around ours are refused before the first iteration."""

import pytest
from mmengine.config import Config

from condinst.config.semi_supervised import check_semi_supervised
from condinst.models import BoxInst


@pytest.mark.parametrize("name", ["SemiBaseDetector", "SoftTeacher"])
@pytest.mark.parametrize("detector", ["CondInst", "condinst.BoxInst", BoxInst, "RTMDet"])
def test_our_detectors_are_refused(name, detector):
    model = dict(type=f"mmdet.{name}", detector=dict(type=detector))
    cfg = Config(dict(default_scope="condinst"))
    (message,) = check_semi_supervised(cfg, model)
    assert message.startswith(f"model.type={name!r}: ")
    assert "condinst predict --format coco" in message


def test_other_detectors_pass():
    cfg = Config(dict(default_scope="condinst"))
    for detector in ("mmdet.CondInst", "FasterRCNN", None):
        model = dict(type="SoftTeacher", detector=dict(type=detector))
        assert not list(check_semi_supervised(cfg, model))
    assert not list(check_semi_supervised(cfg, dict(type="CondInst")))
