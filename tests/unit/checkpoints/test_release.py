"""A checkpoint becomes the file that is handed on: it predicts, and says nothing else."""

from argparse import Namespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook

from condinst import Predictor
from condinst.checkpoints.release import default_name, release
from condinst.checkpoints.weight_files import read, sha256
from condinst.compat.base_configs import shipped_config
from condinst.config.build import build_model

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


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_it_holds_what_prediction_needs(suffix, checkpoint, tmp_path):
    done = release(
        checkpoint, tmp_path / f"some{suffix}", half=True, score_thr=0.4, license="Apache-2.0"
    )
    assert done.path.name == f"some-{sha256(done.path)[:8]}{suffix}"
    assert (done.not_kept, done.is_averaged) == (("optimizer",), False)
    content, whole = read(done.path), read(checkpoint)
    assert content.other == []
    assert content.meta["dataset_meta"] == {"classes": list(CLASSES)}
    assert (content.meta["score_thr"], content.meta["license"]) == (0.4, "Apache-2.0")
    assert str(checkpoint.parent).encode() not in done.path.read_bytes()
    assert "work_dir" not in content.meta["cfg"]
    assert content.weights.keys() == whole.weights.keys()
    for name, tensor in whole.weights.items():
        rounded = tensor.half() if tensor.is_floating_point() else tensor
        assert torch.equal(content.weights[name], rounded), name
    assert done.path.stat().st_size < 0.51 * checkpoint.stat().st_size
    assert (
        release(done.path, tmp_path / f"again{suffix}").path.name == f"again-{done.path.name[5:]}"
    )


def test_it_predicts_as_the_rounded_checkpoint_does(checkpoint, tmp_path):
    packed = release(checkpoint, tmp_path / "some.safetensors", half=True).path
    rounded = torch.load(checkpoint, weights_only=True)
    for name, tensor in rounded["state_dict"].items():
        if tensor.is_floating_point():
            rounded["state_dict"][name] = tensor.half().float()
    torch.save(rounded, tmp_path / "rounded.pth")
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    config = str(shipped_config("quickstart_condinst_r18_fpn_shapes"))
    expected = Predictor(config, tmp_path / "rounded.pth", score_thr=0.0)(image)
    found = Predictor(packed, score_thr=0.0)(image)
    assert len(expected.scores)
    assert found.class_names == CLASSES
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_the_moving_average_is_kept(checkpoint, tmp_path):
    """As mmengine's EMAHook saves: it swaps the average and the trained weights."""
    content = torch.load(checkpoint, weights_only=True)
    trained = {name: tensor + 1 for name, tensor in content["state_dict"].items()}
    hook = EMAHook()
    saved = {"meta": content["meta"], "state_dict": dict(trained)}
    averaged = {f"module.{name}": tensor for name, tensor in content["state_dict"].items()}
    hook.ema_model = Namespace(state_dict=lambda: averaged)
    hook.before_save_checkpoint(None, saved)
    torch.save(saved, tmp_path / "ema.pth")
    done = release(tmp_path / "ema.pth", tmp_path / "out.safetensors")
    assert done.is_averaged
    found = read(done.path).weights
    assert all(torch.equal(found[name], tensor) for name, tensor in content["state_dict"].items())


def test_weights_without_a_config_get_one(checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    names = dict(dataset_meta=content["meta"]["dataset_meta"])
    torch.save(dict(meta=names, state_dict=content["state_dict"]), tmp_path / "bare.pth")
    config = shipped_config("quickstart_condinst_r18_fpn_shapes")
    done = release(tmp_path / "bare.pth", tmp_path / "out.pth", config=config)
    assert "CondInst" in read(done.path).meta["cfg"]
    other = shipped_config("condinst_r50_fpn_ms-poly-90k_coco_instance")
    with pytest.raises(ValueError, match="do not fit the model of .*r50"):
        release(tmp_path / "bare.pth", tmp_path / "out.pth", config=other)


def test_the_metric_of_the_training_is_kept_and_absolute_paths_are_not(checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    cfg = Config.fromstring(content["meta"]["cfg"], ".py")
    cfg.test_evaluator = [dict(type="Other"), dict(cfg.test_evaluator, proposal_nums=(7, 8, 9))]
    cfg.test_dataloader.dataset.ann_file = "/somewhere/val.json"
    cfg.test_dataloader.dataset.data_prefix = dict(img="images/")
    content["meta"]["cfg"] = cfg.pretty_text
    torch.save(content, tmp_path / "a.pth")
    done = release(tmp_path / "a.pth", tmp_path / "out.pth")
    kept = Config.fromstring(read(done.path).meta["cfg"], ".py")
    assert kept.test_evaluator.proposal_nums == (7, 8, 9)
    assert "ann_file" not in kept.test_evaluator
    assert kept.test_dataloader.dataset.data_prefix == dict(img="images/")
    assert "ann_file" not in kept.test_dataloader.dataset


def test_no_part_starts_from_a_file_of_the_training(checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    cfg = Config.fromstring(content["meta"]["cfg"], ".py")
    start = dict(type="Pretrained", checkpoint="/somewhere/neck.pth")
    cfg.model.neck.init_cfg = [dict(type="Normal", layer="Conv2d"), start]
    cfg.model.init_cfg = start
    content["meta"]["cfg"] = cfg.pretty_text
    torch.save(content, tmp_path / "a.pth")
    text = read(release(tmp_path / "a.pth", tmp_path / "out.pth").path).meta["cfg"]
    assert "CondInst" in text
    assert ".pth" not in text


def test_the_name_is_that_of_the_work_folder(tmp_path):
    assert default_name(tmp_path / "iter_1.pth") == tmp_path / "iter_1.safetensors"
    (tmp_path / "last_checkpoint").write_text("iter_1.pth")
    assert default_name(tmp_path / "iter_1.pth") == tmp_path / f"{tmp_path.name}.safetensors"


@pytest.mark.parametrize("broken", ["names", "config", "range", "backbone", "ending"])
def test_what_cannot_be_released_is_refused(broken, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    if broken == "names":
        del content["meta"]["dataset_meta"]
        cfg = Config.fromstring(content["meta"]["cfg"], ".py")
        cfg.test_dataloader.dataset.pop("metainfo", None)
        content["meta"]["cfg"] = cfg.pretty_text
    elif broken == "config":
        del content["meta"]["cfg"]
    elif broken == "backbone":
        state = content["state_dict"]
        content["state_dict"] = {n[9:]: t for n, t in state.items() if n.startswith("backbone.")}
    else:
        content["state_dict"]["backbone.conv1.weight"][0, 0, 0, 0] = 1e6
    path, out = tmp_path / "broken.pth", tmp_path / f"out.{'pkl' if broken == 'ending' else 'pth'}"
    torch.save(content, path)
    expected = {
        "names": "broken.pth: .*class names",
        "config": "broken.pth: .*holds no config",
        "range": "broken.pth: .*backbone.conv1",
        "backbone": "broken.pth: .*a backbone alone",
        "ending": "out.pkl: .*ends in .safetensors or .pth",
    }
    with pytest.raises(ValueError, match=expected[broken]):
        release(path, out, half=True)
    assert not list(tmp_path.glob("out*"))
