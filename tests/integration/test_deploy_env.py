"""Exported files of a trained model: the same answers as in PyTorch, also where it is missing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import REPO, SMALL, run
from PIL import Image

from condinst.deploy import OnnxPredictor, OpenVinoPredictor
from condinst.inference.predictor import Predictor
from condinst.results.results import Results

pytestmark = pytest.mark.long

EXACT = dict(channels_last=False, fold_norms=False, score_thr=0)
EXAMPLE = REPO / "examples" / "onnx_minimal.py"


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """The small config, but pillow resizes at test time, as in the published ones."""
    path = tmp_path_factory.mktemp("config") / "small_pillow.py"
    path.write_text(
        f"_base_ = {SMALL.as_posix()!r}\n"
        "test_pipeline = _base_.test_pipeline\n"
        'test_pipeline[0]["imdecode_backend"] = test_pipeline[1]["backend"] = "pillow"\n'
        "test_dataloader = dict(dataset=dict(pipeline=test_pipeline))\n"
    )
    return path


@pytest.fixture(scope="module")
def checkpoint(trained) -> Path:
    return trained / "iter_80.pth"


@pytest.fixture(scope="module")
def images(shapes, tmp_path_factory) -> Path:
    """A folder of the dataset's images, one cut, one enlarged; all are padded to 96 x 96."""
    folder = tmp_path_factory.mktemp("images")
    for path in sorted((shapes / "train").iterdir())[:4]:
        shutil.copy(path, folder / path.name)
    with Image.open(folder / "000001.png") as image:
        image.crop((0, 0, 96, 75)).save(folder / "000001.png")
    with Image.open(folder / "000002.png") as image:
        image.resize((150, 211)).save(folder / "000002.png")
    return folder


@pytest.fixture(scope="module")
def expected(config, checkpoint, images) -> list[Results]:
    predictor = Predictor(config, checkpoint, device="cpu", **EXACT)
    found = predictor(images)
    assert sum(map(len, found)) > 10
    return found


@pytest.fixture(scope="module")
def exported(config, checkpoint, tmp_path_factory) -> Path:
    """The file of ``condinst export`` without switches."""
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    run("-m", "condinst", "export", config, checkpoint, "--out", path)
    return path


def check_equal(expected: list[Results], found: list[Results]) -> None:
    """Issue 5's bounds: the same instances, boxes to 0.05 pixel, masks to an IoU of 0.995."""
    for a, b in zip(expected, found, strict=True):
        assert (a.path, a.image_size, a.class_names) == (b.path, b.image_size, b.class_names)
        assert np.array_equal(a.labels, b.labels)
        np.testing.assert_allclose(b.scores, a.scores, atol=1e-3)
        np.testing.assert_allclose(b.boxes, a.boxes, atol=0.05)
        for one, other in zip(a.masks, b.masks, strict=True):
            union, differing = (one | other).sum(), (one ^ other).sum()
            assert differing <= max(1, 0.005 * union)


def test_the_answers_are_the_predictors(exported, images, expected):
    check_equal(expected, OnnxPredictor(exported)(images, score_thr=0))


def test_openvinos_answers_are_the_predictors(
    config, checkpoint, images, expected, tmp_path_factory
):
    path = tmp_path_factory.mktemp("openvino") / "small.xml"
    run("-m", "condinst", "export", config, checkpoint, "--out", path, "--format", "openvino")
    predictor = OpenVinoPredictor(path, threads=1, score_thr=0)
    check_equal(expected, predictor(images))
    path.with_suffix(".bin").rename(path.with_suffix(".lost"))
    with pytest.raises(FileNotFoundError, match=r"small\.bin is not a file"):
        OpenVinoPredictor(path)
    with pytest.raises(ValueError, match=r"a name that ends in \.xml"):
        OpenVinoPredictor(path.with_suffix(".lost"))


def test_a_file_of_a_fixed_size_finds_the_same(
    config, checkpoint, images, expected, tmp_path_factory
):
    path = tmp_path_factory.mktemp("fixed") / "fixed.onnx"
    options = ["--fixed-size", 96, 96, "--batch-size", 2]
    run("-m", "condinst", "export", config, checkpoint, "--out", path, *options)
    found = OnnxPredictor(path, score_thr=0)(images)
    # images that fill the file's size are computed alike
    check_equal([expected[0], expected[3]], [found[0], found[3]])
    # the others are padded to that size in both, but boxes are clipped and masks drawn in it here
    for a, b in zip(expected, found, strict=True):
        assert a.image_size == b.image_size
        sure = a[a.scores > 0.3]
        assert len(sure)
        for box, mask, label in zip(sure.boxes, sure.masks, sure.labels, strict=True):
            same = b[b.labels == label]
            closest = int(np.abs(same.boxes - box).max(axis=1).argmin())
            assert np.abs(same.boxes[closest] - box).max() < 0.05 * max(a.image_size)
            other = same.masks[closest]
            assert (mask & other).sum() / (mask | other).sum() > 0.85


def test_images_resized_by_opencv_give_nearly_the_same(checkpoint, images, tmp_path):
    """pillow stands in for OpenCV's filter there, to one level of 255."""
    run("-m", "condinst", "export", SMALL, checkpoint, "--out", tmp_path / "cv2.onnx")
    predictor = Predictor(SMALL, checkpoint, device="cpu", **EXACT)
    for a, b in zip(
        predictor(images), OnnxPredictor(tmp_path / "cv2.onnx", score_thr=0)(images), strict=True
    ):
        a, b = a[a.scores > 0.1], b[b.scores > 0.1]
        # scores are so close that their order may differ: each finds its partner by class and box
        distances = np.abs(a.boxes[:, None] - b.boxes[None]).max(axis=2)  # (len(a), len(b))
        distances[a.labels[:, None] != b.labels[None]] = np.inf
        nearest = distances.argmin(axis=1)
        paired = np.flatnonzero(distances.min(axis=1) <= 1)
        assert len(set(nearest[paired])) == len(paired) >= max(len(a), len(b)) - 1
        np.testing.assert_allclose(b.scores[nearest[paired]], a.scores[paired], atol=0.01)


def test_the_example_prints_the_instances(exported, images, expected):
    for results in expected:
        lines = run(EXAMPLE, exported, results.path).out.splitlines()
        assert [line.split()[0] for line in lines] == results.names.tolist()
        areas = [int(line.split()[-2]) for line in lines]
        np.testing.assert_allclose(areas, results.areas, atol=3)


@pytest.mark.slow
def test_an_environment_without_pytorch(exported, images, expected, tmp_path):
    """Takes numpy, pillow and onnxruntime from the package index."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    windows = sys.platform == "win32"
    python = tmp_path / "venv" / ("Scripts/python.exe" if windows else "bin/python")
    pip = ["-m", "pip", "--python", python, "--quiet", "install"]
    source = tmp_path / "source"
    for name in run("git", "-C", REPO, "ls-files").out.splitlines():
        if (REPO / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPO / name, source / name)
    run(*pip, "--no-deps", source)
    run(*pip, "numpy", "pillow", "onnxruntime")
    code = (
        "import sys, importlib.util as u\n"
        "from condinst.deploy import OnnxPredictor\n"
        "assert not any(u.find_spec(name) for name in ('torch', 'mmdet', 'mmengine', 'cv2'))\n"
        "for r in OnnxPredictor(sys.argv[1])(sys.argv[2], score_thr=0):\n"
        "    r.save(sys.argv[3])\n"
        "    print(len(r), len(r.to_coco()), len(r.to_labelme()['shapes']) >= len(r))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    out = run(python, script, exported, images, tmp_path / "drawn.jpg").out.splitlines()
    assert out == [f"{len(r)} {len(r)} True" for r in expected]
    assert (tmp_path / "drawn.jpg").stat().st_size > 1000
    example = run(python, EXAMPLE, exported, expected[0].path).out.splitlines()
    assert len(example) == len(expected[0])
