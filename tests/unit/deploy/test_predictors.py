"""Images in, results out, with files written by hand whose answers are known."""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx_files import BOXES, LABELS, METADATA, SCORES, dynamic_file, fixed_file
from PIL import Image

from condinst.deploy import OnnxPredictor


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory):
    return dynamic_file(tmp_path_factory.mktemp("files") / "dynamic.onnx")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    return fixed_file(tmp_path_factory.mktemp("files") / "fixed.onnx", (48, 96))


def make_image(height: int = 96, width: int = 128) -> np.ndarray:
    """Blue, with a red rectangle in the third quarter of the columns and upper half of the rows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 2] = 255
    image[: height // 2, width // 2 : 3 * width // 4] = (255, 0, 0)
    return image


def check(results, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    assert results.image_size == (height, width)
    np.testing.assert_allclose(results.boxes, BOXES * [width, height, width, height], rtol=1e-6)
    assert results.names.tolist() == ["dog", "cat", "dog"]
    assert np.array_equal(results.scores, SCORES)
    check_masks(results, image)


def check_masks(results, image: np.ndarray) -> None:
    """Resizing there and back moves edges by a pixel or two."""
    red = image[..., 0] > 127
    for mask in results.masks:
        assert (mask & red).sum() / (mask | red).sum() > 0.9


def test_boxes_and_masks_are_of_the_images_size(dynamic):
    image = make_image()
    check(OnnxPredictor(dynamic)(image), image)


def test_bgr_arrays_are_turned_around(dynamic):
    image = make_image()
    results = OnnxPredictor(dynamic, channel_order="bgr")(image[:, :, ::-1])
    check(results, image)
    assert np.array_equal(results.image, image)
    # blue is red then: all but the rectangle
    assert OnnxPredictor(dynamic)(image[:, :, ::-1].copy()).masks[:, -1].all()


def test_every_kind_of_source(dynamic, tmp_path):
    image = make_image()
    for name in ("a.png", "b.png"):
        Image.fromarray(image).save(tmp_path / name)
    predictor = OnnxPredictor(dynamic)
    one = predictor(tmp_path / "a.png")
    check(one, image)
    assert one.path == str(tmp_path / "a.png")
    check(predictor(Image.fromarray(image)), image)
    folder = predictor(tmp_path)
    assert [r.path for r in folder] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert [r.image_size for r in predictor([image, make_image(48, 64)])] == [(96, 128), (48, 64)]
    stream = predictor.stream(x for x in [image, tmp_path / "b.png"])
    for results in stream:
        check(results, image)


def test_scores_below_the_threshold_are_left_out(dynamic, fixed):
    for file in (dynamic, fixed):
        assert list(OnnxPredictor(file, score_thr=0.6)(make_image()).scores) == list(SCORES[:2])


def test_a_fixed_file_has_images_fitted_and_answers_taken_back(fixed):
    # 96 x 128 is fitted into 48 x 96 as 48 x 64: shares of the file's width are 1.5 times those of
    # the image's, and what lies beyond is cut off
    image = make_image()
    results = OnnxPredictor(fixed)(image)
    expected = np.minimum(BOXES * [1.5, 1, 1.5, 1], 1) * [128, 96, 128, 96]
    np.testing.assert_allclose(results.boxes, expected, rtol=1e-6)
    assert np.array_equal(results.labels, LABELS)
    check_masks(results, image)


def test_what_a_fixed_file_finds_in_the_padding_alone_is_dropped(tmp_path):
    # 48 x 24 is fitted as 48 x 24 into 48 x 96: the third box begins at column 48
    file = fixed_file(tmp_path / "f.onnx", (48, 96))
    results = OnnxPredictor(file)(make_image(48, 24))
    assert list(results.scores) == [SCORES[1]]
    assert results.boxes.tolist() == [[0, 0, 24, 48]]


def test_batches_of_a_fixed_file_are_filled_up(tmp_path):
    file = fixed_file(tmp_path / "f.onnx", (96, 128), images=2)
    images = [make_image(), make_image(48, 64), make_image(96, 128)]
    found = OnnxPredictor(file)(images)
    assert [r.image_size for r in found] == [(96, 128), (48, 64), (96, 128)]
    check(found[0], images[0])
    check(found[2], images[2])


def test_masks_of_large_images_are_drawn_smaller_and_enlarged(dynamic):
    image = make_image(960, 1280)
    full = OnnxPredictor(dynamic)(image)
    small = OnnxPredictor(dynamic, max_mask_pixels=96 * 128)(image)
    np.testing.assert_allclose(small.boxes, full.boxes, rtol=1e-5)
    union, common = (full.masks | small.masks).sum(), (full.masks & small.masks).sum()
    assert common / union > 0.95
    assert small.masks.shape == (3, 960, 1280)


def test_threads_get_the_same_answers(dynamic):
    predictor = OnnxPredictor(dynamic, threads=1)
    images = [make_image(40 + 8 * i, 64) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for image, results in zip(images, pool.map(predictor, images), strict=True):
            check(results, image)


def test_a_broken_file_is_named_or_skipped(dynamic, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    Image.fromarray(make_image()).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"image file .*a\.png"):
        OnnxPredictor(dynamic)(tmp_path)
    with pytest.warns(UserWarning, match=r"skipped: image file .*a\.png"):
        found = OnnxPredictor(dynamic, on_error="skip")(tmp_path)
    assert [r.path for r in found] == [str(tmp_path / "b.png")]
    with pytest.raises(FileNotFoundError, match=r"c\.png"):
        OnnxPredictor(dynamic)(tmp_path / "c.png")
    with pytest.raises(ValueError, match="expected uint8, got float64"):
        OnnxPredictor(dynamic)(np.zeros((4, 4, 3)))


def test_missing_damaged_and_foreign_model_files_are_named(dynamic, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model file .*none\.onnx is not a file"):
        OnnxPredictor(tmp_path / "none.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(dynamic.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"model file .*damaged\.onnx: ONNX Runtime .* cannot"):
        OnnxPredictor(damaged)
    model = onnx.load(dynamic)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match=r"foreign\.onnx: it has no metadata condinst\.version"):
        OnnxPredictor(tmp_path / "foreign.onnx")
    weights = tmp_path / "weights.pth"
    weights.touch()
    with pytest.raises(ValueError, match=r"weights\.pth: expected a name that ends in \.onnx"):
        OnnxPredictor(weights)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", []),
        ("classes", "cat"),
        ("variant", "other"),
        ("fixed_size", [48]),
        ("batch", 0),
        ("mean", [1, 2]),
        ("resize", {"scale": [64, 48]}),
        ("resize", METADATA["resize"] | {"interpolation": "area"}),
        ("resize", METADATA["resize"] | {"backend": "cv2", "interpolation": "bicubic"}),
        ("resize", METADATA["resize"] | {"scale": [0, 48]}),
        ("resize", METADATA["resize"] | {"scale": None, "scale_factor": [2, 0]}),
        ("resize", METADATA["resize"] | {"scale": None, "scale_factor": 2}),
    ],
)
def test_metadata_that_is_wrong_is_named(key, value, tmp_path):
    file = fixed_file(tmp_path / "f.onnx", (48, 96), **{key: value})
    with pytest.raises(ValueError, match=rf"f\.onnx: metadata condinst\.{key}: expected .*, got"):
        OnnxPredictor(file)


def test_metadata_that_is_missing_or_no_json_is_named(dynamic, tmp_path):
    model = onnx.load(dynamic)
    entry = next(e for e in model.metadata_props if e.key == "condinst.classes")
    entry.value = "[cat"
    onnx.save(model, tmp_path / "f.onnx")
    with pytest.raises(ValueError, match=r"metadata condinst\.classes: expected JSON"):
        OnnxPredictor(tmp_path / "f.onnx")
    model.metadata_props.remove(entry)
    onnx.save(model, tmp_path / "f.onnx")
    with pytest.raises(ValueError, match=r"metadata condinst\.classes is missing"):
        OnnxPredictor(tmp_path / "f.onnx")


def test_files_of_several_images_of_any_size_are_refused(tmp_path):
    file = dynamic_file(tmp_path / "f.onnx", batch=4)
    with pytest.raises(ValueError, match=r"metadata condinst\.batch: expected 1 or null.*got 4"):
        OnnxPredictor(file)


def test_wrong_arguments_are_named(dynamic):
    with pytest.raises(ValueError, match="channel_order='gbr'"):
        OnnxPredictor(dynamic, channel_order="gbr")
    with pytest.raises(ValueError, match="max_mask_pixels=0"):
        OnnxPredictor(dynamic, max_mask_pixels=0)
    with pytest.raises(ValueError, match=r"providers: 'NoProvider': .*CPUExecutionProvider"):
        OnnxPredictor(dynamic, providers=["NoProvider"])


def test_neither_pytorch_nor_mmdet_nor_opencv_is_imported(dynamic, tmp_path):
    Image.fromarray(make_image()).save(tmp_path / "a.png")
    code = f"""
        import sys
        from condinst.deploy import OnnxPredictor
        found = OnnxPredictor({str(dynamic)!r})({str(tmp_path / "a.png")!r})
        found.save({str(tmp_path / "out.jpg")!r})
        print(len(found), len(found.rles), len(found.polygons), len(found.to_coco()))
        wrong = {{"torch", "mmdet", "mmengine", "mmcv", "cv2", "pycocotools", "onnx"}}
        print(sorted(wrong & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3 3 3 3", "[]"]


def test_large_images_by_tiles(tmp_path):
    """The file finds what is red on every tile; the square is whole on the first one alone."""
    image = np.zeros((90, 120, 3), np.uint8)
    image[10:40, 20:50, 0] = 255
    file = dynamic_file(tmp_path / "a.onnx")
    found = OnnxPredictor(file, tile=60, tile_overlap=0.2, score_thr=0.5)(image)
    # two on the tile that sees the square, and as many without a pixel on each of the others
    seen = found[found.areas > 0]
    assert seen.names.tolist() == ["dog", "cat"]
    assert seen.scores.tolist() == pytest.approx([0.9, 0.6])
    assert found.image is image
    wanted = np.zeros((90, 120), bool)
    wanted[10:40, 20:50] = True
    for mask in seen.masks:
        assert (mask ^ wanted).sum() < 0.05 * wanted.sum()
    with pytest.raises(ValueError, match="tile_overlap=2: expected 0 or more"):
        OnnxPredictor(file, tile=60, tile_overlap=2)
