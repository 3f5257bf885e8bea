"""``condinst export`` from the command line to a file that runs, on a trained model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from commands import REPO, SMALL, run
from mmengine.registry import DefaultScope
from oracle import build_pair, published_config
from PIL import Image

from condinst.checkpoints.weight_files import sha256
from condinst.export import agreement
from condinst.export import exporter as export
from condinst.export.exporter import Options, export_model
from condinst.export.onnx_model import build_onnx
from condinst.export.openvino_file import save_openvino
from condinst.export.write_metadata import read_metadata
from condinst.inference import setup as predictor_setup
from condinst.inference.predictor import Predictor
from condinst.registry import MODELS

pytestmark = pytest.mark.long

EXPORT = REPO / "tools" / "export.py"


@pytest.fixture(scope="module")
def checkpoint(trained) -> Path:
    return trained / "iter_80.pth"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, shapes, checkpoint):
    """What the command says, and the file."""
    path = tmp_path_factory.mktemp("exported") / "folder" / "small.onnx"
    words = (
        SMALL,
        checkpoint,
        "--out",
        path,
        "--check-images",
        shapes / "val",
        "--num-check-images",
        3,
    )
    return run(EXPORT, *words, data=shapes), path


def test_the_command_prints_its_figures_and_leaves_one_file(exported):
    done, path = exported
    assert [p.name for p in path.parent.iterdir()] == ["small.onnx"]
    lines = [line for line in done.out.splitlines() if ".png" in line]
    # 3 images, and one of them with none, one and many detections
    assert len(lines) == 6
    assert [line.split()[1] for line in lines[3:]] == ["none", "one", "many"]
    assert "0     0 " in lines[3]
    assert "1     1 " in lines[4]
    assert f"wrote {path}" in done.out


def test_metadata(exported, checkpoint):
    model = onnx.load(exported[1])
    onnx.checker.check_model(model, full_check=True)
    found = read_metadata(model)
    assert found["classes"] == ["circle", "rectangle", "triangle", "star", "ring"]
    assert found["mean"] == pytest.approx([123.675, 116.28, 103.53])
    assert found["resize"] == dict(
        scale=[96, 96], keep_ratio=True, interpolation="bilinear", backend="cv2"
    )
    assert found["checkpoint_sha256"] == sha256(checkpoint)
    assert (found["max_per_img"], found["score_thr"], found["pad_divisor"]) == (20, 0.05, 32)
    assert (found["variant"], found["precision"], found["opset"]) == ("dynamic", "float32", 18)
    assert model.opset_import[0].version == 18


_ALONE = """
import json, sys
import numpy as np, onnxruntime
from PIL import Image
file, image = sys.argv[1:]
image = np.asarray(Image.open(image).convert("RGB"), np.float32).transpose(2, 0, 1)[None]
session = onnxruntime.InferenceSession(file)
size = np.array(image.shape[2:])
boxes, scores, labels, masks, inds = session.run(None, {"images": image, "out_size": size})
assert "torch" not in sys.modules
print(json.dumps([boxes.tolist(), scores.tolist(), labels.tolist(), masks.sum((1, 2)).tolist()]))
"""


def test_the_file_runs_without_pytorch_and_says_what_the_predictor_says(
    exported, shapes, checkpoint
):
    image = sorted((shapes / "val").iterdir())[0]
    assert Image.open(image).size == (96, 96)  # the pipeline leaves it as it is
    command = [sys.executable, "-c", _ALONE, str(exported[1]), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    boxes, scores, labels, areas = json.loads(done.stdout)
    expected = Predictor(SMALL, checkpoint, device="cpu", score_thr=0)(image)
    assert len(expected) > 0
    assert labels == expected.labels.tolist()
    np.testing.assert_allclose(scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(boxes, expected.boxes, atol=0.05)
    np.testing.assert_allclose(areas, expected.areas, atol=1)


def test_out_of_bounds_is_kept_under_another_name_with_exit_code_1(
    tmp_path, shapes, checkpoint, monkeypatch, capsys
):
    from condinst.cli.export import main

    impossible = agreement.Bounds(1.0, box=-1.0, mask_iou=1.1, score=-1.0, margin=0, worst=True)
    monkeypatch.setitem(export.BOUNDS, "float32", impossible)
    path = tmp_path / "small.onnx"
    path.write_text("an older file")
    with pytest.raises(SystemExit) as ended:
        main([str(SMALL), str(checkpoint), "--out", str(path), "--check-images", f"{shapes}/val"])
    assert ended.value.code == 1
    assert "out of bounds: boxes" in capsys.readouterr().out
    assert path.read_text() == "an older file"
    assert {p.name for p in tmp_path.iterdir()} == {"small.onnx", "small.onnx.failed"}


def test_an_error_leaves_nothing_behind(tmp_path, checkpoint, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("in the midst of it")

    monkeypatch.setattr(export, "check", fail)
    with pytest.raises(ValueError, match="midst"):
        export_model(SMALL, checkpoint, tmp_path / "small.onnx", say=lambda text: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("half", [False, True])
def test_openvino(tmp_path, shapes, checkpoint, half):
    options = Options(format="openvino", half=half, check_images=shapes / "val")
    done = export_model(SMALL, checkpoint, tmp_path / "small.xml", options)
    assert done.failures == []
    assert sum(row.agreement.matched for row in done.rows) > 20
    assert {p.name for p in tmp_path.iterdir()} == {"small.xml", "small.bin"}
    import openvino

    model = openvino.Core().read_model(done.path)
    assert json.loads(model.get_rt_info(["condinst", "classes"]).astype(str))[0] == "circle"


def test_int8(tmp_path, shapes, checkpoint):
    options = Options(
        calibration_images=shapes / "train", num_calibration=8, check_images=shapes / "val"
    )
    done = export_model(SMALL, checkpoint, tmp_path / "small.onnx", options)
    assert done.failures == []
    assert sum(row.agreement.matched for row in done.rows) > 10
    model = onnx.load(done.path)
    assert read_metadata(model)["precision"] == "int8"
    assert "QuantizeLinear" in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("fixed_size", [None, (150, 170)])
def test_pt2(tmp_path, checkpoint, fixed_size):
    options = Options(format="pt2", fixed_size=fixed_size)
    done = export_model(SMALL, checkpoint, tmp_path / "small.pt2", options)
    assert done.failures == []
    assert done.figure < 1e-4
    extra = {"condinst.json": ""}
    program = torch.export.load(done.path, extra_files=extra)
    assert json.loads(extra["condinst.json"])["classes"][0] == "circle"
    images = torch.randn(1, 3, 160, 192, generator=torch.Generator().manual_seed(0))
    outputs = program.module()(images)
    cfg, content, file = predictor_setup.load(SMALL, checkpoint)
    model = predictor_setup.build(cfg, content, file)
    with torch.no_grad():
        feats = model.extract_feat(images)
        expected = model.bbox_head(feats).cls_scores[0]
    torch.testing.assert_close(outputs[0], expected, rtol=1e-3, atol=1e-4)


def test_openvino_says_which_operator_it_lacks(tmp_path, checkpoint):
    cfg, _, _ = predictor_setup.load(SMALL, checkpoint)
    cfg.model.bbox_head.dcn_on_last_conv = True
    with DefaultScope.overwrite_default_scope("condinst"):
        model = MODELS.build(cfg.model).eval()
    path = tmp_path / "deformable.onnx"
    onnx.save(build_onnx(model), path)
    with pytest.raises(ValueError, match="DeformConv"):
        save_openvino(path, tmp_path / "deformable.xml", {})
    assert not (tmp_path / "deformable.xml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "file.pth"], "ends in .onnx"),
        (["--int8"], "--calibration-images"),
        (["--fp16", "--int8", "--calibration-images", "."], "--int8 --fp16: expected only"),
        (["--check-images", "nowhere"], "nowhere"),
        (["--check-images", ".", "--num-check-images", "0"], "--num-check-images 0"),
    ],
)
def test_wrong_arguments_end_in_one_line(tmp_path, checkpoint, words, message, monkeypatch):
    from condinst.cli.export import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        main([str(SMALL), str(checkpoint), *words])
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_published_model_at_its_own_size(tmp_path, datasets):
    """Weights are random, sizes and counts of detections are those of real use."""
    cfg = published_config()
    _, model = build_pair(cfg)
    cfg.model.type = "condinst.CondInst"
    cfg.dump(tmp_path / "published.py")
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / "published.pth")
    options = Options(check_images=datasets / "coco_tiny" / "val2017", num_check=4)
    files = tmp_path / "published.py", tmp_path / "published.pth", tmp_path / "published.onnx"
    done = export_model(*files, options)
    assert done.failures == []
    assert sum(row.agreement.matched for row in done.rows) > 400
