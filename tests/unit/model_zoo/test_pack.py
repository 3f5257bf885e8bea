"""A checkpoint becomes the file of a model that comes with the package."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from condinst import Predictor
from condinst.checkpoints.weight_files import read
from condinst.compat.base_configs import shipped_config
from condinst.config.build import build_model
from condinst.model_zoo.pack import pack

CLASSES = ("circle", "rectangle", "triangle", "star", "ring")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """What a training writes: its config with paths of the machine, and the optimizer's state."""
    folder = tmp_path_factory.mktemp("run")
    path = folder / "iter_1.pth"
    config = shipped_config("quickstart_condinst_r18_fpn_shapes")
    torch.manual_seed(0)
    weights = build_model(config).state_dict()
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(
        {
            "model.channels_last": True,
            "test_dataloader.dataset.data_root": f"{folder}/data/",
            "work_dir": str(folder),
        }
    )
    cfg.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=f"{folder}/r18.pth")
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=CLASSES), iter=1)
    torch.save(dict(meta=meta, state_dict=weights, optimizer=dict(state=weights)), path)
    return path


def test_it_holds_what_prediction_needs_in_half_precision(checkpoint, tmp_path):
    out = tmp_path / "some.pth"
    pack(checkpoint, out, license="Apache-2.0")
    content, whole = read(out), read(checkpoint)
    assert content.other == []
    assert content.meta["dataset_meta"] == {"classes": CLASSES}
    assert content.meta["license"] == "Apache-2.0"
    assert str(checkpoint.parent) not in content.meta["cfg"]
    assert "work_dir" not in content.meta["cfg"]
    assert content.weights.keys() == whole.weights.keys()
    for name, tensor in whole.weights.items():
        rounded = tensor.half() if tensor.is_floating_point() else tensor
        assert torch.equal(content.weights[name], rounded), name
    assert out.stat().st_size < 0.51 * checkpoint.stat().st_size


def test_it_predicts_as_the_rounded_checkpoint_does(checkpoint, tmp_path):
    pack(checkpoint, tmp_path / "some.pth", license="Apache-2.0")
    rounded = torch.load(checkpoint, weights_only=True)
    for name, tensor in rounded["state_dict"].items():
        if tensor.is_floating_point():
            rounded["state_dict"][name] = tensor.half().float()
    torch.save(rounded, tmp_path / "rounded.pth")
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    config = str(shipped_config("quickstart_condinst_r18_fpn_shapes"))
    expected = Predictor(config, tmp_path / "rounded.pth", score_thr=0.0)(image)
    found = Predictor(tmp_path / "some.pth", score_thr=0.0)(image)
    assert found.class_names == CLASSES
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("broken", ["names", "config", "range"])
def test_what_cannot_be_packed_is_refused(broken, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    if broken == "names":
        del content["meta"]["dataset_meta"]
    elif broken == "config":
        del content["meta"]["cfg"]
    else:
        content["state_dict"]["backbone.conv1.weight"][0, 0, 0, 0] = 1e6
    path = tmp_path / "broken.pth"
    torch.save(content, path)
    expected = {"names": "class names", "config": "holds no config", "range": "backbone.conv1"}
    with pytest.raises(ValueError, match=f"broken.pth: .*{expected[broken]}"):
        pack(path, tmp_path / "out.pth", license="Apache-2.0")
    assert not (tmp_path / "out.pth").exists()
