"""RTMDet-Ins as one ONNX model, with the detector in PyTorch as the oracle."""

import copy

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from onnx import TensorProto
from processor import HAS_AVX512
from small_detector import REPO, image
from small_rtmdet import photographs, seeded_rtmdet, small_rtmdet

from condinst import Predictor
from condinst.deploy import OnnxPredictor, OpenVinoPredictor
from condinst.export import Options, export_model, network
from condinst.export.agreement import BOUNDS, Agreement, Bounds, compare_instances
from condinst.export.builder import GraphBuilder
from condinst.export.compared_runtimes import find_instances, onnx_runtime, openvino_runtime
from condinst.export.mask_graph import size_in_output
from condinst.export.onnx_model import build_onnx
from condinst.export.openvino_file import save_openvino
from condinst.export.padding import Padding
from condinst.export.quantize import quantize_network
from condinst.export.settings import MaskSettings
from condinst.export.verify import (
    CheckedImage,
    check,
    resize_to,
    run_eager,
    thresholds,
    with_threshold,
)
from condinst.models.postprocess.logit_masks import resized_shape

# height and width of input and output: no resize, up, down, stretched; sides that nothing divides
SIZES = [
    ((96, 128), (96, 128)),
    ((101, 67), (240, 171)),
    ((130, 160), (49, 60)),
    ((128, 160), (200, 90)),
    ((9, 40), (9, 40)),
]
# wide: these weights are random, and so are their masks
HALF = Bounds(0.9, box=1.0, mask_iou=0.9, score=0.02, margin=0.02, worst=False)
GRAY = Padding(size=(160, 160), divisor=1, square=False, color=(114.0, 114.0, 114.0))


def images(sizes=SIZES, padding=None):
    return [
        CheckedImage(str(i), image(*size, i), out, padding) for i, (size, out) in enumerate(sizes)
    ]


def assert_equal(model, exported, chosen, batch=1, box=1e-2):
    """Boxes to 1e-2 pixel (``box``) of the input, scores to 1e-4, 99.99% of the masks' pixels."""
    rows = check(model, onnx_runtime(exported), chosen, BOUNDS["float32"], batch=batch)
    for row, each in zip(rows, chosen, strict=True):
        found, enlarged = row.agreement, max(each.out_size) / max(each.image.shape)
        assert row.counts[0] == row.counts[1]
        assert found.missing == 0
        assert max(found.boxes, default=0) < box * max(enlarged, 1)
        assert max(found.scores, default=0) < 1e-4
        assert sum(found.pixels) <= 1e-4 * found.matched * np.prod(each.out_size)
    return [row.counts[0] for row in rows]


def refuse(*args):
    raise RuntimeError


@pytest.fixture
def older_exporter(monkeypatch):
    """The exporter by TorchScript, which takes seconds where sizes vary."""
    monkeypatch.setattr(network, "_by_torch_export", refuse)


@pytest.fixture(scope="module")
def model():
    return seeded_rtmdet()


@pytest.fixture(scope="module")
def exported(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "_by_torch_export", refuse)
        return build_onnx(model)


def test_any_size_with_none_one_and_many_detections(model, exported):
    assert min(assert_equal(model, exported, images())) == 20
    found = []
    for score_thr in thresholds(model, images()[1], (0, 1, 12)):
        with with_threshold(model, exported, score_thr) as changed:
            found += assert_equal(model, changed, images()[1:2])
    assert found[:2] == [0, 1]
    assert 1 < found[2] <= 12


def test_detections_are_of_all_levels_and_at_the_border(model):
    """Otherwise the towers at points would not be tried."""
    drawn = []
    forward = model.mask_head.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            model.mask_head, "forward", lambda *args: drawn.append(args[1]) or forward(*args)
        )
        for each in images():
            run_eager(model, each)
    points = torch.cat([instances.points / instances.strides[:, None] for instances in drawn])
    strides = torch.cat([instances.strides for instances in drawn])
    assert set(strides.tolist()) == {8, 16, 32}
    assert (points < 1).any()


def test_images_of_a_batch_are_told_apart(model, exported):
    run = onnx_runtime(exported)
    pixels = np.stack([image(96, 128, seed) for seed in range(3)])
    outputs = run(pixels, np.array([96, 128]))
    for i in range(3):
        expected = run_eager(model, CheckedImage("", pixels[i], (96, 128)))
        found = find_instances(outputs, i)
        np.testing.assert_array_equal(found["labels"], expected["labels"])
        np.testing.assert_allclose(found["boxes"], expected["boxes"], atol=0.01)
        assert (found["masks"] == expected["masks"]).mean() > 0.9999


def test_the_newer_exporter_and_a_fixed_size(model):
    size = (75, 110)
    exported = build_onnx(model, fixed_size=size, batch=2)
    shapes = {
        o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in exported.graph.output
    }
    assert shapes == dict(boxes=[2, 20, 4], scores=[2, 20], labels=[2, 20], masks=[2, 20, *size])
    chosen = [resize_to(each, size) for each in images()[:2]]
    assert_equal(model, exported, chosen, batch=2)
    score_thr = thresholds(model, chosen[0], (6,))[0]
    with with_threshold(model, exported, score_thr) as changed:
        count = assert_equal(model, changed, chosen[:1], batch=2)[0]
        assert 0 < count <= 6
        outputs = onnx_runtime(changed)(chosen[0].image[None].repeat(2, 0), None)
    assert (outputs["labels"][0, count:] == -1).all()
    assert not outputs["masks"][0, count:].any()


def test_padding_of_the_pipeline(model, older_exporter):
    exported = build_onnx(model, batch=1, padding=GRAY)
    chosen = images(SIZES[:3], GRAY)
    # these random weights amplify the last bits of floats: 0.034 pixels without AVX-512
    assert_equal(model, exported, chosen, box=1e-2 if HAS_AVX512 else 5e-2)
    plain = run_eager(model, images(SIZES[:1])[0])
    assert not np.array_equal(plain["boxes"], run_eager(model, chosen[0])["boxes"])


@pytest.mark.parametrize(
    "head",
    [
        dict(pred_kernel_size=3, share_conv=False),
        dict(with_objectness=True, stacked_convs=1),
        dict(
            num_prototypes=4,
            dyconv_channels=6,
            num_dyconvs=2,
            act_cfg=dict(type="ReLU"),
            anchor_generator=dict(type="MlvlPointGenerator", offset=0.5, strides=[8, 16, 32]),
        ),
        dict(norm_cfg=dict(type="GN", num_groups=8)),
    ],
    ids=["3x3", "objectness", "shapes", "groups"],
)
def test_other_heads(head, older_exporter):
    model = seeded_rtmdet(small_rtmdet(**head))
    assert min(assert_equal(model, build_onnx(model), images()[:3])) > 5


def test_masks_at_another_threshold(exported, model, older_exporter):
    other = copy.deepcopy(model)
    other.test_cfg = {**other.test_cfg, "mask_thr": 0.8}
    chosen = images()[:2]
    assert_equal(other, build_onnx(other), chosen)
    fewer, usual = (run_eager(m, chosen[0])["masks"].mean() for m in (other, model))
    assert 0 < fewer < usual


def test_float16_is_close(model, older_exporter):
    rows = check(model, onnx_runtime(build_onnx(model, half=True)), images(), HALF)
    total = sum((row.agreement for row in rows), Agreement())
    assert total.failures(HALF) == []
    assert max(total.scores) > 1e-6  # it is not the float32 network


@pytest.mark.long
def test_openvino(model, older_exporter, tmp_path):
    """At sizes for which no division rounds up, see docs/deploy.md."""
    exported = build_onnx(model, doubles=False)
    for score_thr in (0.005, 1.0):
        with with_threshold(model, exported, score_thr) as changed:
            onnx.save(changed, tmp_path / "model.onnx")
            save_openvino(tmp_path / "model.onnx", tmp_path / "model.xml", {})
            rows = check(
                model, openvino_runtime(tmp_path / "model.xml"), images(), BOUNDS["float32"]
            )
        total = sum((row.agreement for row in rows), Agreement())
        assert total.failures(BOUNDS["float32"]) == []
        assert total.matched == (100 if score_thr < 1 else 0)


def test_int8_keeps_the_last_convolutions_in_float(model, older_exporter):
    inputs = (((image(96, 128, i) - 127) / 60)[None].astype(np.float32) for i in range(3))
    exported = build_onnx(model, quantize=lambda part: quantize_network(part, inputs))
    makers = {output: node.op_type for node in exported.graph.node for output in node.output}
    weights = [node.input[1] for node in exported.graph.node if node.op_type == "Conv"]
    in_float = [w for w in weights if makers.get(w) != "DequantizeLinear"]
    kinds = {
        name: sum(name in w for w in in_float) for name in ("rtm_cls", "rtm_reg", "projection")
    }
    assert kinds == dict(rtm_cls=3, rtm_reg=3, projection=1)
    assert len(in_float) == 7
    assert len(weights) > 40
    # random weights have no margins: how far the answers move would say nothing
    found = onnx_runtime(exported)(images()[0].image[None], np.array(SIZES[0][1]))
    assert len(found["scores"]) == 20
    assert np.abs(found["scores"] - run_eager(model, images()[0])["scores"]).max() > 1e-4


def test_activations_that_no_file_can_have():
    model = seeded_rtmdet(small_rtmdet(act_cfg=dict(type="GELU")))
    with pytest.raises(ValueError, match="act_cfg.type='GELU': expected one of ReLU, SiLU"):
        MaskSettings.from_model(model)


@pytest.fixture(scope="module")
def files(tmp_path_factory, datasets):
    """A config of the published pipeline with small images, and weights."""
    folder = tmp_path_factory.mktemp("rtmdet")
    name = "rtmdet_ins/rtmdet-ins_tiny_mosaic-300e_coco_instance.py"
    cfg = Config.fromfile(REPO / "configs" / name)
    cfg.merge_from_dict(dict(model=small_rtmdet()))
    cfg.model.backbone.init_cfg = None
    cfg.model.data_preprocessor.update(mean=[104, 116, 124], std=[57, 58, 59])
    for step in cfg.test_dataloader.dataset.pipeline:
        for key in {"scale", "size"} & set(step):
            step[key] = (192, 192)
        if step["type"] == "Resize":
            step["backend"] = "pillow"  # both predictors resize to the same bytes then
    cfg.test_dataloader.dataset.metainfo = dict(classes=("a", "b", "c"))
    images = sorted((datasets / "coco_tiny" / "train2017").glob("*.jpg"))[:8]
    model = seeded_rtmdet(cfg.model, inputs=photographs(images, 192, 115.0, 58.0))
    torch.save({"state_dict": model.state_dict()}, folder / "weights.pth")
    return cfg, folder / "weights.pth"


@pytest.mark.parametrize("fixed", [None, (192, 192)])
def test_files_answer_as_the_predictor_on_real_images(
    files, fixed, tmp_path, datasets, older_exporter
):
    """With the pipeline's gray padding, which is in the file or is painted by its predictor."""
    path, folder = tmp_path / "model.onnx", datasets / "coco_tiny" / "val2017"
    options = Options(fixed_size=fixed, check_images=folder, num_check=2)
    done = export_model(*files, path, options, say=lambda text: None)
    assert done.failures == []
    exported = OnnxPredictor(path, score_thr=0)
    assert exported.metadata["pad_color"] == [114, 114, 114]
    assert exported.metadata["mean_order"] == "BGR"
    predictor = Predictor(*files, device="cpu", score_thr=0, fold_norms=False)
    for image_file in sorted(folder.glob("*.jpg"))[:6]:
        expected, found = predictor(image_file), exported(image_file)
        assert len(expected) == 20
        if fixed:  # drawn at the file's size, and without instances in the padding
            assert len(found) > 10
            for i in range(len(found)):
                nearest = np.abs(expected.scores - found.scores[i]).argmin()
                assert abs(expected.scores[nearest] - found.scores[i]) < 1e-4
            continue
        assert_same_results(expected, found, 192)


def assert_same_results(expected, found, side):
    """In any order: nearly equal scores may change places."""
    pairs = compare_instances(
        *(dict(boxes=r.boxes, scores=r.scores, labels=r.labels, masks=r.masks)
          for r in (expected, found)),
        score_thr=0.005,
        max_per_img=20,
        sqrt_scores=False,
        margin=1e-4,
    )  # fmt: skip
    assert pairs.missing == 0
    assert pairs.matched >= len(expected) - 1  # the last may have given way to an equal one
    assert max(pairs.scores) < 1e-4
    assert max(pairs.boxes) < 0.01 * max(expected.image_size) / side
    assert sum(pairs.pixels) <= 1e-4 * pairs.matched * np.prod(expected.image_size)


@pytest.mark.long
def test_openvino_answers_as_onnx_runtime_on_real_images(files, tmp_path, datasets, older_exporter):
    folder = datasets / "coco_tiny" / "val2017"
    for name, kind in (("model.onnx", "onnx"), ("model.xml", "openvino")):
        options = Options(batch=1, format=kind, check_images=folder, num_check=1)
        done = export_model(*files, tmp_path / name, options, say=lambda text: None)
        assert done.failures == []
    expected = OnnxPredictor(tmp_path / "model.onnx", score_thr=0)
    found = OpenVinoPredictor(tmp_path / "model.xml", score_thr=0)
    assert found.metadata["pad_color"] == [114, 114, 114]
    for image_file in sorted(folder.glob("*.jpg"))[:4]:
        assert_same_results(expected(image_file), found(image_file), 192)


@pytest.fixture(scope="module")
def sizes_in_output():
    """The size of the padded image in the output, by the graph."""
    runs = {}
    for doubles in (True, False):
        g = GraphBuilder("test/")
        sides = [g.Slice("images", [i], [i + 1], [0]) for i in range(4)]
        out = [g.Slice("out_size", [i], [i + 1], [0]) for i in (0, 1)]
        sides = [g.Cast(side, to=TensorProto.INT64) for side in sides]
        found = size_in_output(g, sides[:2], sides[2:], out, doubles=doubles)
        model = g.build(
            [("images", TensorProto.FLOAT, [4]), ("out_size", TensorProto.INT64, [2])],
            [("size", g.Concat(*found, axis=0), TensorProto.INT64, [2])],
            18,
        )
        runs[doubles] = onnx_runtime(model)
    return runs


def test_the_size_of_the_padded_image_is_the_detectors(sizes_in_output):
    """Also where its division rounds up, which moves it by a pixel."""
    draw = np.random.default_rng(0)
    rounded = 0
    for _ in range(2000):
        out = draw.integers(20, 4000, 2)
        factor = 640 / out.max()
        stretch = draw.choice([1.0, 1.0, 1.0, 0.7])
        inner = np.maximum((out * factor * np.array([1.0, stretch]) + 0.5).astype(int), 1)
        padded = -(-inner // 32) * 32 if draw.random() < 0.5 else np.array([640, 640])
        scales = inner[1] / out[1], inner[0] / out[0]
        expected = resized_shape(tuple(padded.tolist()), tuple(out.tolist()), scales)
        words = np.array([*padded, *inner], np.float32), out
        assert tuple(sizes_in_output[True](*words)["size"]) == expected
        exact = np.array(sizes_in_output[False](*words)["size"])
        assert np.abs(exact - expected).max() <= 1
        rounded += tuple(exact) != expected
    assert rounded > 20
