"""examples/cpp: built against ONNX Runtime's package, it finds what ``OnnxPredictor`` finds.

The tests need CMake, a C++ compiler, libpng, libjpeg, nlohmann-json, and ONNX Runtime's package
where the environment variable ONNXRUNTIME_ROOT says, or where CMake finds it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from commands import REPO, SMALL, Done, finish, run, start
from onnx_files import dynamic_file, fixed_file
from PIL import Image

from condinst.deploy import OnnxPredictor

pytestmark = pytest.mark.long

SOURCE = REPO / "examples" / "cpp"
MISSING = ("ONNX Runtime was not found", "Could NOT find", "Could not find a package")


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The built example."""
    if sys.platform == "win32":
        pytest.skip("the example was not built on Windows")
    if not shutil.which("cmake") or not (shutil.which("c++") or shutil.which("cl")):
        pytest.skip("needs CMake and a C++ compiler")
    build = tmp_path_factory.mktemp("build")
    done = finish(start("cmake", "-S", SOURCE, "-B", build))
    missing = [line for line in done.err.splitlines() if any(word in line for word in MISSING)]
    if missing:
        pytest.skip(f"examples/cpp: {missing[0].strip()}")
    assert done.code == 0, done.err
    built = run("cmake", "--build", build)
    assert "warning" not in built.err
    return build / "condinst_example"


def read_map(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def predict(program: Path, model: Path, image: Path, score_thr: float = 0.3) -> list[list[str]]:
    """Run the example; its label map is labels.pgm beside the image. Return its table's rows."""
    done = run(program, model, image, image.with_name("labels.pgm"), score_thr)
    head, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert head == ["number", "class", "score", "left", "top", "right", "bottom"]
    assert [row[0] for row in rows] == [str(i + 1) for i in range(len(rows))]
    return rows


def check(program: Path, model: Path, image: Path, score_thr: float = 0.3) -> int:
    """Compare the example with Python on one image; return the number of instances."""
    rows = predict(program, model, image, score_thr)
    expected = OnnxPredictor(model, score_thr=score_thr)(image)
    assert [row[1] for row in rows] == expected.names.tolist()
    numbers = np.array([row[2:] for row in rows], np.float64).reshape(-1, 5)
    np.testing.assert_allclose(numbers[:, 0], expected.scores, atol=1e-4)
    np.testing.assert_allclose(numbers[:, 1:], expected.boxes, atol=0.01)
    labels, own = read_map(image.with_name("labels.pgm")), expected.to_label_map()
    assert labels.shape == own.shape
    assert np.mean(labels == own) >= 0.9999
    return len(rows)


def gradient(height: int, width: int) -> np.ndarray:
    """Noise on a slope, (height, width, 3): a resize that differs moves pixels across 127."""
    noise = np.random.default_rng(0).integers(0, 128, (height, width, 3))
    return (noise + np.linspace(0, 127, width, dtype=int)[None, :, None]).astype(np.uint8)


def test_an_exported_model(program, checkpoint, three_images, tmp_path):
    model = tmp_path / "small.onnx"
    run("-m", "condinst", "export", SMALL, checkpoint, "--out", model)
    fixed = tmp_path / "fixed.onnx"
    run("-m", "condinst", "export", SMALL, checkpoint, "--out", fixed, "--fixed-size", 96, 96)
    first, second, _ = sorted(three_images.iterdir())
    shutil.copy(first, tmp_path / "first.png")
    with Image.open(second) as image:  # OpenCV's filter, and JPEG
        image.convert("RGB").resize((150, 211)).save(tmp_path / "second.jpg")
    found = [
        check(program, file, tmp_path / name, score_thr=0.1)
        for file in (model, fixed)
        for name in ("first.png", "second.jpg")
    ]
    assert min(found) > 2


def test_the_known_instances_of_a_file_written_by_hand(program, tmp_path):
    """Masks are the red pixels; boxes are shares of the sides."""
    model = dynamic_file(tmp_path / "hand.onnx", resize=None)
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[5:, 30:, 0] = 200
    Image.fromarray(pixels).save(tmp_path / "image.png")
    assert predict(program, model, tmp_path / "image.png", 0.5) == [
        ["1", "dog", "0.900000", "10.000", "5.000", "20.000", "15.000"],
        ["2", "cat", "0.600000", "0.000", "0.000", "40.000", "20.000"],
    ]
    np.testing.assert_array_equal(read_map(tmp_path / "labels.pgm"), pixels[:, :, 0] // 200)


# of an odd width, the middle column lies half way between two cells: rounding would decide there
@pytest.mark.parametrize("size", [(36, 52), (48, 64), (300, 210)])
@pytest.mark.parametrize(
    "resize",
    [
        dict(scale=[64, 48], keep_ratio=True, backend="pillow"),
        dict(scale=[64, 48], keep_ratio=False, backend="pillow"),
        dict(scale=[64, 48], keep_ratio=True, backend="cv2"),
        dict(scale_factor=[1.5, 0.7], keep_ratio=False, backend="cv2"),
        None,
    ],
)
def test_resizes_and_padding(program, tmp_path, size, resize):
    if resize is not None:
        resize = dict(resize, interpolation="bilinear")
    Image.fromarray(gradient(*size)).save(tmp_path / "image.png")
    model = dynamic_file(tmp_path / "hand.onnx", resize=resize)
    assert check(program, model, tmp_path / "image.png", 0.1) == 3
    colors = [[10], [10, 20, 30], None]
    for i, mean in enumerate(colors):
        model = fixed_file(
            tmp_path / f"fixed{i}.onnx",
            (50, 70),
            images=2,
            resize=resize,
            mean=mean,
            mean_order="BGR",
            pad_color=None if i else [200, 0, 0],  # red enough to be in the masks
        )
        assert check(program, model, tmp_path / "image.png", 0.1) > 0


def test_masks_of_large_images_are_enlarged(program, tmp_path):
    model = dynamic_file(tmp_path / "hand.onnx", resize=None)
    Image.fromarray(gradient(1800, 2500)).save(tmp_path / "image.png")
    assert check(program, model, tmp_path / "image.png") == 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_kinds_of_png(program, tmp_path, mode):
    colors = Image.fromarray(gradient(40, 60))
    if mode == "I;16":
        image = Image.fromarray(gradient(40, 60)[:, :, 0].astype(np.uint16) * 257)
    else:
        image = colors.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "image.png")
    assert image.mode == mode
    assert check(program, dynamic_file(tmp_path / "hand.onnx"), tmp_path / "image.png") == 3
    labels = read_map(tmp_path / "labels.pgm")
    assert 0 < np.mean(labels > 0) < 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_kinds_of_jpeg(program, tmp_path, mode):
    Image.fromarray(gradient(40, 60)).convert(mode).save(tmp_path / "image.jpg")
    model = dynamic_file(tmp_path / "hand.onnx", resize=None)
    assert check(program, model, tmp_path / "image.jpg") == 3


def fail(program: Path, *words: object) -> Done:
    done = run(program, *words, code=1)
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1
    return done


def test_errors(program, tmp_path):
    model = dynamic_file(tmp_path / "hand.onnx")
    image, labels = tmp_path / "image.png", tmp_path / "labels.pgm"
    Image.fromarray(gradient(40, 60)).save(image)
    assert "MODEL.onnx IMAGE LABELS.pgm" in run(program, model, code=2).err

    text = tmp_path / "text.png"
    text.write_text("no image")
    assert f"{text}: expected a PNG or JPEG file" in fail(program, model, text, labels).err
    for suffix in ("png", "jpg"):
        cut = tmp_path / f"cut.{suffix}"
        with Image.open(image) as whole:
            whole.save(cut)
        cut.write_bytes(cut.read_bytes()[:1500])
        assert f"{cut}: " in fail(program, model, cut, labels).err
    assert "cannot be opened" in fail(program, model, tmp_path / "none.png", labels).err
    assert "cannot be written" in fail(program, model, image, tmp_path / "none" / "labels.pgm").err

    for wrong, said in (
        (dict(dtype="uint16"), "expected a model of RGB images of 8 bits"),
        (dict(channels=4), "expected a model of RGB images of 8 bits"),
        (dict(resize=dict(scale=[64, 48], keep_ratio=True, interpolation="lanczos",
                          backend="pillow")), "expected a bilinear resize"),
    ):  # fmt: skip
        dynamic_file(tmp_path / "other.onnx", **wrong)
        assert said in fail(program, tmp_path / "other.onnx", image, labels).err
    bare = onnx.load(model)
    del bare.metadata_props[:]
    plain = tmp_path / "plain.onnx"
    onnx.save(bare, plain)
    assert "no metadata condinst.classes" in fail(program, plain, image, labels).err
