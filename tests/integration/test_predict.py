"""The predictor on a trained model: the answers of ``condinst test``, from every kind of source."""

from __future__ import annotations

import pickle
import re
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from commands import REPO, SMALL, run_here
from mmengine.config import Config
from PIL import Image

from condinst.compat.checkpoint import load_from_local
from condinst.inference.predictor import Predictor
from condinst.results.results import Results

# everything that AP is computed from
EXACT = dict(device="cpu", channels_last=False, fold_norms=False, score_thr=0)


@pytest.fixture(scope="module")
def folder(shapes) -> Path:
    return shapes / "train"


@pytest.fixture(scope="module")
def predictor(checkpoint) -> Predictor:
    """Without the switches that change the order of roundings."""
    return Predictor(SMALL, checkpoint, **EXACT)


@pytest.fixture(scope="module")
def first(folder) -> Path:
    return folder / "000000.png"


def assert_equal(one: Results, other: Results) -> None:
    assert len(one) == len(other) > 0
    assert one.class_names == other.class_names
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.boxes, other.boxes)
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.masks, other.masks)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_answers_are_those_of_the_test_command(
    batch_size, checkpoint, folder, shapes, tmp_path_factory
):
    out = tmp_path_factory.mktemp("test") / "predictions.pkl"
    work_dir = ["--work-dir", out.parent]
    words = ["test", SMALL, checkpoint, "--out", out, "--batch-size", batch_size]
    run_here(*words, *work_dir, data=shapes)
    expected = {
        Path(s["img_path"]).name: s["pred_instances"] for s in pickle.loads(out.read_bytes())
    }
    predictor = Predictor(SMALL, checkpoint, batch_size=batch_size, **EXACT)
    found = predictor(folder)
    assert len(found) == len(expected) == 8
    for results in found:
        wanted = expected[Path(results.path).name]
        np.testing.assert_allclose(results.scores, wanted["scores"], atol=1e-6)
        np.testing.assert_allclose(results.boxes, wanted["bboxes"], atol=1e-4)
        assert results.labels.tolist() == wanted["labels"].tolist()
        counts = [rle["counts"].encode() for rle in results.rles]
        assert counts == [rle["counts"] for rle in wanted["masks"]]
        assert results.areas.max() > 50


def test_the_fast_switches_keep_the_answers(predictor, checkpoint, first):
    fast = Predictor(SMALL, checkpoint, device="cpu", score_thr=0)(first)
    plain = predictor(first)
    assert len(fast) == len(plain)
    np.testing.assert_allclose(fast.scores, plain.scores, atol=1e-5)
    np.testing.assert_allclose(fast.boxes, plain.boxes, atol=1e-3)
    assert (fast.masks == plain.masks).mean() > 0.9999


def test_every_kind_of_source_gives_the_same(predictor, checkpoint, first):
    expected = predictor(first)
    rgb = np.asarray(Image.open(first).convert("RGB"))
    assert_equal(predictor(str(first)), expected)
    assert_equal(predictor(rgb), expected)
    assert_equal(predictor(Image.open(first)), expected)
    assert_equal(predictor(first.read_bytes()), expected)
    assert_equal(predictor(torch.from_numpy(rgb.copy()).permute(2, 0, 1)), expected)
    assert_equal(predictor(np.dstack([rgb, rgb[:, :, 0]])), expected)  # alpha is dropped
    several = predictor([first, rgb])
    assert len(several) == 2
    assert_equal(several[1], expected)
    bgr = Predictor(SMALL, checkpoint, channel_order="bgr", **EXACT)
    assert_equal(bgr(rgb[:, :, ::-1].copy()), expected)
    assert np.array_equal(bgr(rgb[:, :, ::-1].copy()).read_image(), rgb)
    assert expected.path == str(first)
    assert np.array_equal(expected.read_image(), rgb)


def test_arrays_go_the_way_of_files_in_the_published_pipeline(checkpoint, datasets):
    cfg = Config.fromfile(SMALL)
    published = Config.fromfile(REPO / "configs" / "condinst_r50_fpn_ms-poly-90k_coco_instance.py")
    steps = published.test_pipeline
    assert steps[0].imdecode_backend == steps[1].backend == "pillow"
    steps[1].scale = (200, 120)
    cfg.test_dataloader.dataset.pipeline = steps
    predictor = Predictor(cfg, checkpoint, device="cpu", score_thr=0)
    path = next((datasets / "coco_tiny" / "val2017").glob("*.jpg"))
    assert_equal(predictor(np.asarray(Image.open(path).convert("RGB"))), predictor(path))


def test_a_stream_takes_images_as_they_are_asked_for(predictor, first):
    taken = []

    def camera():
        for i in range(100):
            taken.append(i)
            yield np.asarray(Image.open(first).convert("RGB"))

    stream = predictor.stream(camera())
    assert taken == []
    assert_equal(next(stream), predictor(first))
    assert taken == [0]
    next(stream)
    assert taken == [0, 1]


def test_the_frames_of_a_video(predictor, folder, tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (96, 96))
    frames = [cv2.imread(str(file)) for file in sorted(folder.glob("*.png"))[:3]]
    for frame in frames:
        writer.write(frame)
    writer.release()
    found = list(predictor.stream(path))
    assert len(found) == 3
    for results, frame in zip(found, frames, strict=True):
        difference = np.abs(results.read_image()[:, :, ::-1].astype(int) - frame)
        assert difference.mean() < 8  # JPEG's
        assert len(results)


def test_the_config_of_the_checkpoint(predictor, checkpoint, first, monkeypatch, tmp_path):
    expected = predictor(first)
    assert_equal(Predictor(checkpoint, **EXACT)(first), expected)
    assert_equal(Predictor(checkpoint=checkpoint, **EXACT)(first), expected)
    assert_equal(Predictor(Config.fromfile(SMALL), checkpoint, **EXACT)(first), expected)
    assert predictor.class_names == ("circle", "rectangle", "triangle", "star", "ring")
    content = load_from_local(str(checkpoint))
    content["meta"]["cfg"] += "\n__import__('pathlib').Path('ran').touch()\n"
    monkeypatch.chdir(tmp_path)
    torch.save(content, "other.pth")
    with pytest.raises(ValueError, match="other.pth: its config cannot be read"):
        Predictor("other.pth")
    assert not Path("ran").exists()


def test_threads_get_the_answers_that_one_gets(predictor, folder):
    files = sorted(folder.glob("*.png"))
    expected = [predictor(file) for file in files]
    found: dict[int, list[Results]] = {}

    def work(number: int) -> None:
        found[number] = [predictor(file) for file in files]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]
    for answers in found.values():
        for one, other in zip(answers, expected, strict=True):
            assert_equal(one, other)


def test_a_higher_score_threshold_leaves_the_best(predictor, checkpoint, first):
    whole = predictor(first)
    threshold = float(np.median(whole.scores))
    expected = whole[whole.scores >= np.float32(threshold)]
    assert 0 < len(expected) < len(whole)
    assert_equal(Predictor(SMALL, checkpoint, **EXACT | dict(score_thr=threshold))(first), expected)
    # of a single call; the predictor's own threshold stays
    assert_equal(predictor(first, score_thr=threshold), expected)
    assert_equal(next(predictor.stream(first, score_thr=threshold)), expected)
    assert_equal(predictor(first), whole)


def test_people_see_scores_from_03_on(predictor, checkpoint, first):
    whole = predictor(first)
    usual = Predictor(SMALL, checkpoint, device="cpu", channels_last=False, fold_norms=False)
    assert 0 < len(usual(first)) < len(whole)
    assert_equal(usual(first), whole[whole.scores >= 0.3])
    assert_equal(usual(first, score_thr=0), whole)


def test_its_words_on_the_terminal(predictor, checkpoint):
    assert repr(predictor) == (
        f"Predictor({checkpoint}, device='cpu', score_thr=0: "
        "5 classes: circle, rectangle, triangle, star, ring)"
    )
    with pytest.raises(TypeError, match="Predictor: a call has no argument 'conf'; .* score_thr"):
        predictor("a.png", conf=0.5)
    with pytest.raises(TypeError, match=r"it is set once: Predictor\(..., batch_size=...\)"):
        predictor.stream("a.png", batch_size=4)


@pytest.mark.parametrize("score_thr", [30, -1, float("nan"), "0.5", None])
def test_thresholds_outside_the_scores(predictor, checkpoint, score_thr):
    with pytest.raises(ValueError, match="score_thr=.*: expected a number from 0 to 1"):
        Predictor(SMALL, checkpoint, device="cpu", score_thr=score_thr)
    if score_thr is not None:  # in a call: the predictor's own
        with pytest.raises(ValueError, match="score_thr=.*: expected a number from 0 to 1"):
            predictor("a.png", score_thr=score_thr)


def test_an_image_of_one_pixel(predictor):
    results = predictor(np.zeros((1, 1, 3), np.uint8))
    assert results.image_size == (1, 1)
    assert results.draw(enlarge=False).shape == (1, 1, 3)
    assert len(predictor(np.zeros((1, 1, 3), np.uint8), score_thr=0.3)) <= len(results)


def test_mixed_precision(checkpoint, first, predictor):
    found = Predictor(SMALL, checkpoint, device="cpu", dtype=torch.bfloat16)(first)
    assert found.scores[0] == pytest.approx(predictor(first).scores[0], abs=0.05)


def test_files_that_are_no_images(predictor, checkpoint, first, tmp_path):
    whole = first.read_bytes()
    (tmp_path / "a.png").write_bytes(whole)
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.png").write_text("no image")
    (tmp_path / "d.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"image file .*c\.png: "):
        predictor(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"image file .*d\.png: the file is empty"):
        predictor(tmp_path / "d.png")
    with pytest.raises(FileNotFoundError, match=r"image file not found: .*none\.png"):
        predictor(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"image file .*b\.png"):
        predictor([tmp_path / "a.png", tmp_path / "b.png"])
    # in a batch, too: first the results of the whole images, then the error
    stream = Predictor(SMALL, checkpoint, device="cpu", batch_size=2).stream(
        [tmp_path / "a.png", tmp_path / "b.png"]
    )
    assert Path(next(stream).path).name == "a.png"
    with pytest.raises(ValueError, match=r"image file .*b\.png"):
        next(stream)
    skipping = Predictor(SMALL, checkpoint, device="cpu", on_error="skip")
    with pytest.warns(UserWarning, match="skipped: image file ") as told:
        found = skipping(tmp_path)
    named = [re.search(r"(\w)\.png: ", str(warning.message))[1] for warning in told]
    assert named == ["b", "c", "d"]
    assert [Path(results.path).name for results in found] == ["a.png"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((40, 40, 2), np.uint8), r"expected an array \(height, width\), .* \(40, 40, 2\)"),
        (np.zeros((40, 40, 3), np.float32), "expected uint8, got float32"),
        (np.zeros((0, 40, 3), np.uint8), r"got shape \(0, 40, 3\)"),
    ],
)
def test_arrays_that_are_no_images(predictor, image, message):
    with pytest.raises(ValueError, match=message):
        predictor(image)


def test_sources_that_are_none(predictor, tmp_path):
    for source, way in (
        (3, "; the frames of a camera go in as a generator"),
        (None, "; cv2.imread returns None for a file that it cannot read"),
        ({}, ""),
    ):
        message = f"^source={source!r}: expected a path.* generator of such{way}$"
        with pytest.raises(TypeError, match=message):
            predictor(source)
    results = predictor(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(TypeError, match=r"^source\[0\]=Results\(image, 8 x 8.*: expected a path"):
        predictor([results])
    with pytest.raises(ValueError, match=f"folder {tmp_path}: expected images"):
        predictor(tmp_path)
    with pytest.raises(FileNotFoundError, match="video file not found: none.mp4"):
        predictor("none.mp4")


def test_wrong_arguments(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="expected a checkpoint as well"):
        Predictor(SMALL)
    with pytest.raises(FileNotFoundError, match=r"checkpoint .*none\.pth is not a file"):
        Predictor(SMALL, tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError, match=r"config .*none\.py is not a file"):
        Predictor(tmp_path / "none.py", checkpoint)
    with pytest.raises(ValueError, match="dtype='int8': expected float32, "):
        Predictor(SMALL, checkpoint, dtype="int8")
    with pytest.raises(ValueError, match="device='cuda:77': "):
        Predictor(SMALL, checkpoint, device="cuda:77")
    number = torch.cuda.device_count()  # 0, the first GPU, is no other word for the CPU
    with pytest.raises(ValueError, match=f"device={number}: "):
        Predictor(SMALL, checkpoint, device=number)
    with pytest.raises(ValueError, match="batch_size=0: expected a whole number, 1 or more"):
        Predictor(SMALL, checkpoint, batch_size=0)
    other = Config.fromfile(SMALL)
    other.model.bbox_head.num_classes = 7
    with pytest.raises(ValueError, match=r"does not fit the config's model: .* bbox_head.conv_cls"):
        Predictor(other, checkpoint)
