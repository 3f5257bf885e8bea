"""Files in and out: what is read, what is written, and what is left alone."""

import errno
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from torch import nn

from condinst.checkpoints import convert_file, to_condinst, to_original
from condinst.config.build import build_model

CONFIG = (
    Path(__file__).parents[3]
    / "configs"
    / "condinst"
    / "condinst_r50-caffe_fpn_ms-1x_coco_instance.py"
)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return build_model(CONFIG)


@pytest.fixture(scope="module")
def original(model) -> dict[str, torch.Tensor]:
    return to_original(model.state_dict())


def same(found: dict, expected: dict) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], tensor) for name, tensor in expected.items()
    )


def saved(kind: str, weights: dict[str, torch.Tensor], folder: Path) -> Path:
    """A file as the original's programs write it, and as people hand it on."""
    path = folder / f"original.{'pkl' if kind == 'pickle' else 'pth'}"
    if kind == "training":
        optimizer = {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": []}
        content = {"model": weights, "optimizer": optimizer, "iteration": 89999}
        torch.save(content, path)
    elif kind == "bare":
        torch.save(weights, path)
    elif kind == "old":
        torch.save({"model": weights}, path, _use_new_zipfile_serialization=False)
    else:
        model = {name: tensor.numpy() for name, tensor in weights.items()}
        path.write_bytes(pickle.dumps({"model": model, "__author__": "AdelaiDet"}))
    return path


@pytest.mark.parametrize(
    ("kind", "not_kept"),
    [
        ("training", ("optimizer", "iteration")),
        ("bare", ()),
        ("old", ()),
        ("pickle", ("__author__",)),
    ],
)
def test_the_original_s_files(model, original, tmp_path, kind, not_kept):
    source = saved(kind, original, tmp_path)
    done = convert_file(source, tmp_path / "ours.pth", config=CONFIG)
    assert (done.layout, done.not_kept, done.dropped) == ("original", not_kept, ())
    content = torch.load(tmp_path / "ours.pth", weights_only=True)
    expected = {  # counters of frozen norms start at 0
        name: torch.zeros_like(t) if name.endswith("num_batches_tracked") else t
        for name, t in model.state_dict().items()
    }
    assert same(content["state_dict"], expected)
    assert done.num_tensors == len(expected)
    meta = content["meta"]
    assert meta["source"] == source.name
    assert meta["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert meta["source_layout"] == "original"
    assert meta["dataset_meta"] == CocoDataset.METAINFO
    load_checkpoint(model, str(tmp_path / "ours.pth"), strict=True, logger="silent")


@pytest.mark.parametrize("name", ["back.pth", "back.pkl"])
def test_back_to_the_original_s_files(model, original, tmp_path, name):
    torch.save({"state_dict": model.state_dict(), "message_hub": {}}, tmp_path / "ours.pth")
    done = convert_file(tmp_path / "ours.pth", tmp_path / name, to="original", config=CONFIG)
    assert done.layout == "condinst"
    assert len(done.dropped) == 53  # the batch counters of ResNet-50's 53 norms
    if name.endswith("pth"):
        content = torch.load(tmp_path / name, weights_only=True)["model"]
    else:
        content = pickle.loads((tmp_path / name).read_bytes())
        assert content.pop("__author__").startswith("condinst ")
        content = {key: torch.from_numpy(np.asarray(v)) for key, v in content["model"].items()}
    assert same(content, original)


def test_a_config_that_does_not_fit(original, tmp_path):
    wrong = dict(original)
    wrong["controller.weight"] = torch.zeros(233, 256, 3, 3)
    del wrong["proposal_generator.fcos_head.ctrness.bias"]
    wrong["mask_branch.logits.bias"] = torch.zeros(80)
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(ValueError, match=rf"wrong.pth: .* fit the model of .*{CONFIG.name}") as e:
        convert_file(tmp_path / "wrong.pth", tmp_path / "ours.pth", config=CONFIG)
    assert str(e.value).splitlines()[1:] == [
        "  semantic_head.conv_logits.bias (80,): the config's model has no such tensor",
        "  bbox_head.conv_centerness.bias (1,): missing in the weights",
        "  bbox_head.controller.weight (233, 256, 3, 3): the config's model has (169, 256, 3, 3)",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["wrong.pth"]


def test_a_backbone_is_compared_with_the_config_s(model, tmp_path):
    backbone = {n: t for n, t in model.backbone.state_dict().items() if n != "layer3.5.bn3.bias"}
    torch.save(backbone, tmp_path / "backbone.pth")
    with pytest.raises(ValueError, match=r"\n  layer3.5.bn3.bias \(1024,\): missing in the"):
        convert_file(tmp_path / "backbone.pth", tmp_path / "ours.pth", config=CONFIG)
    torch.save(model.backbone.state_dict(), tmp_path / "backbone.pth")
    done = convert_file(tmp_path / "backbone.pth", tmp_path / "ours.pth", config=CONFIG)
    assert done.layout == "torchvision-backbone"  # whose names mmdet's backbone has


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"dataset_meta": {"classes": ("cat",)}}, {"classes": ("cat",)}),
        ({"CLASSES": ("a",), "PALETTE": [(1, 2, 3)]}, {"classes": ("a",), "palette": [(1, 2, 3)]}),
        ({}, None),
    ],
)  # fmt: skip
def test_names_of_classes(tmp_path, meta, expected):
    weights = {"bbox_head.conv_cls.bias": torch.zeros(1)}
    torch.save({"meta": meta, "state_dict": weights}, tmp_path / "old.pth")
    convert_file(tmp_path / "old.pth", tmp_path / "new.pth")
    content = torch.load(tmp_path / "new.pth", weights_only=True)
    assert content["meta"].get("dataset_meta") == expected
    assert content["state_dict"].keys() == weights.keys()


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, protocol):
    mark = tmp_path / "mark"
    content = {"model": {"w": Bomb(mark)}, "__author__": "x"}
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(ValueError, match=r"bomb.pkl: refused, .* would use (posix|nt).mkdir"):
        convert_file(tmp_path / "bomb.pkl", tmp_path / "ours.pth")
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.pkl"]


def test_a_torch_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"model": {"w": Bomb(tmp_path / "mark")}}, tmp_path / "bomb.pth")
    with pytest.raises(ValueError, match=r"bomb.pth: refused"):
        convert_file(tmp_path / "bomb.pth", tmp_path / "ours.pth")
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.pth"]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8"])
def test_arrays_of_every_form(tmp_path, protocol, dtype):
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    model = {"bbox_head.conv_cls.weight": array.T, "bbox_head.scales.0.scale": np.float32(0.1)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": model}, protocol))
    convert_file(tmp_path / "a.pkl", tmp_path / "b.pth")
    weights = torch.load(tmp_path / "b.pth", weights_only=True)["state_dict"]
    assert weights["bbox_head.conv_cls.weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert weights["bbox_head.conv_cls.weight"].numpy().dtype == np.dtype(dtype).newbyteorder("=")
    assert weights["bbox_head.scales.0.scale"].numpy() == np.float32(0.1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"bad.pkl: cannot be read as weights \(EOFError"),
        (b"no pickle", r"bad.pkl: .* it begins with b'no pickl', expected a file of torch.save"),
        (b"\x89PNG\r\n\x1a\n", r"bad.pkl: cannot be read as weights: it begins with b'\\x89PNG"),
        (b"(not pickle", r"bad.pkl: cannot be read as weights \(UnpicklingError"),
        (pickle.dumps([1, 2]), "bad.pkl: expected a dict of weights, found a list"),
        (pickle.dumps({}), "bad.pkl: .* it is empty"),
        (pickle.dumps({"w": "text"}), r"bad.pkl: .* other entries \(1\):\n  w: str"),
        (pickle.dumps({"w": np.array(["text"])}), r"other entries \(1\):\n  w: ndarray"),
        (pickle.dumps({"w": np.zeros(1)}), "bad.pkl: no known layout"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "bad.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        convert_file(tmp_path / "bad.pkl", tmp_path / "ours.pth")
    assert not (tmp_path / "ours.pth").exists()


def test_a_truncated_checkpoint_is_refused(original, tmp_path):
    path = saved("bare", original, tmp_path)
    path.write_bytes(path.read_bytes()[:100000])
    with pytest.raises(ValueError, match=r"original.pth: cannot be read as a checkpoint"):
        convert_file(path, tmp_path / "ours.pth")


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    torch.save({"bbox_head.conv_cls.bias": torch.zeros(1)}, tmp_path / "old.pth")
    (tmp_path / "ours.pth").write_text("before")

    def full_disk(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"cannot be written \(No space left.*: '.*ours.pth'"):
        convert_file(tmp_path / "old.pth", tmp_path / "ours.pth")
    assert {p.name for p in tmp_path.iterdir()} == {"old.pth", "ours.pth"}
    assert (tmp_path / "ours.pth").read_text() == "before"


def test_wrong_arguments(original, tmp_path):
    source = saved("bare", {"controller.bias": torch.zeros(169)}, tmp_path)
    with pytest.raises(FileNotFoundError, match="absent.pth: no such file"):
        convert_file(tmp_path / "absent.pth", tmp_path / "ours.pth")
    with pytest.raises(ValueError, match="original.pth: is the source itself"):
        convert_file(source, source)
    with pytest.raises(ValueError, match="is a folder, expected the name of a file"):
        convert_file(source, tmp_path)
    with pytest.raises(ValueError, match="to='onnx': expected one of condinst, original"):
        convert_file(source, tmp_path / "ours.pth", to="onnx")
    with pytest.raises(ValueError, match=r"ours.pkl: weights in our layout are written as .pth"):
        convert_file(source, tmp_path / "ours.pkl")
    with pytest.raises(ValueError, match="the layout 'original'; expected whole models of ours"):
        convert_file(source, tmp_path / "ours.pth", to="original")
    with pytest.raises(FileNotFoundError, match=r"config absent.py is not a file"):
        convert_file(source, tmp_path / "ours.pth", config="absent.py")
    with pytest.raises(ValueError, match=r"has no model"):
        convert_file(source, tmp_path / "ours.pth", config=Config({"a": 1}))
    assert [p.name for p in tmp_path.iterdir()] == ["original.pth"]


def test_weights_share_no_memory_in_the_file(tmp_path):
    """A slice of a large tensor is written as a slice."""
    large = torch.zeros(1_000_000)
    torch.save({"controller.bias": large[:169]}, tmp_path / "slice.pth")
    convert_file(tmp_path / "slice.pth", tmp_path / "ours.pth")
    assert (tmp_path / "ours.pth").stat().st_size < 10_000
    assert to_condinst({"controller.bias": large[:169]})["bbox_head.controller.bias"].shape == (
        169,
    )
