"""The ONNX model in ONNX Runtime beside the detector that it comes from, which is the oracle."""

import copy

import numpy as np
import pytest
import torch
from one_export import one_export_of_the_network
from onnx import shape_inference
from small_detector import ORIGINAL, image, small_config, small_detector

from condinst.export.agreement import BOUNDS, Agreement
from condinst.export.compared_runtimes import find_instances, onnx_runtime
from condinst.export.onnx_model import build_onnx, opset_for
from condinst.export.settings import BoxSettings
from condinst.export.verify import CheckedImage, check, run_eager, thresholds, with_threshold

# height and width of input and output: no resize, up, down; sides that nothing divides; tiny
SIZES = [
    ((96, 128), (96, 128)),
    ((101, 67), (240, 171)),
    ((130, 160), (49, 60)),
    ((9, 40), (9, 40)),
]


def images(sizes=SIZES):
    return [CheckedImage(str(i), image(*size, i), out) for i, (size, out) in enumerate(sizes)]


def assert_equal(model, exported, chosen, batch=1):
    rows = check(model, onnx_runtime(exported), chosen, BOUNDS["float32"], batch=batch)
    total = sum((row.agreement for row in rows), Agreement())
    assert total.failures(BOUNDS["float32"]) == []
    assert all(row.counts[0] == row.counts[1] for row in rows), rows
    return [row.counts[0] for row in rows]


@pytest.fixture(scope="module")
def exported(detector, networks):
    with one_export_of_the_network(networks):
        return build_onnx(detector)


@pytest.fixture(scope="module")
def exported_half(detector):
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    return build_onnx(detector, half=True), before


def test_any_size_with_none_one_and_many_detections(detector, exported):
    assert min(assert_equal(detector, exported, images()[:3])) == 30
    found = []
    for score_thr in thresholds(detector, images()[1], (0, 1, 20)):
        with with_threshold(detector, exported, score_thr) as changed:
            found += assert_equal(detector, changed, images()[1:2])
    assert found[:2] == [0, 1]
    assert 1 < found[2] <= 20


def test_an_image_smaller_than_a_cell_of_the_coarsest_level(detector, exported):
    assert_equal(detector, exported, images()[3:])


def test_thresholds_of_pairs_are_what_the_detector_counts(detector):
    # none is suppressed at an IoU of 1 and beyond: pairs are instances
    model = copy.deepcopy(detector)
    for count, score_thr in zip((1, 7), thresholds(model, images()[0], (1, 7)), strict=True):
        model.bbox_head.test_cfg = {
            **detector.bbox_head.test_cfg,
            "score_thr": score_thr,
            "nms": dict(type="nms", iou_threshold=1.0),
            "min_bbox_size": -1,
        }
        assert len(run_eager(model, images()[0])["scores"]) == count


def test_the_originals_conventions(same_network):
    model = small_detector(small_config(**ORIGINAL))
    counts = assert_equal(model, build_onnx(model), images())
    assert max(counts) > 5


def test_images_of_a_batch_are_told_apart(detector, exported):
    run = onnx_runtime(exported)
    images = np.stack([image(96, 128, seed) for seed in range(3)])
    outputs = run(images, np.array([96, 128]))
    assert (np.diff(outputs["image_inds"]) >= 0).all()
    for i in range(3):
        expected = run_eager(detector, CheckedImage("", images[i], (96, 128)))
        found = find_instances(outputs, i)
        assert (np.diff(found["scores"]) <= 0).all()
        np.testing.assert_array_equal(found["labels"], expected["labels"])
        np.testing.assert_allclose(found["boxes"], expected["boxes"], atol=0.05)
        assert (found["masks"] == expected["masks"]).mean() > 0.9999


def test_a_batch_of_one_by_its_shared_product(detector, same_network):
    assert_equal(detector, build_onnx(detector, batch=1), images())


@pytest.mark.parametrize("conventions", [{}, ORIGINAL])
def test_fixed_size(conventions, same_network):
    model = small_detector(small_config(**conventions))
    size = (75, 110)
    exported = build_onnx(model, fixed_size=size, batch=2)
    assert [i.name for i in exported.graph.input] == ["images"]
    shapes = {
        o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in exported.graph.output
    }
    expected = dict(boxes=[2, 30, 4], scores=[2, 30], labels=[2, 30], masks=[2, 30, *size])
    assert shapes == expected
    chosen = images([(size, size)] * 2)
    assert_equal(model, exported, chosen, batch=2)
    score_thr = thresholds(model, chosen[0], (6,))[0]
    with with_threshold(model, exported, score_thr) as changed:
        count = assert_equal(model, changed, chosen[:1], batch=2)[0]
        assert 0 < count <= 6
        outputs = onnx_runtime(changed)(chosen[0].image[None].repeat(2, 0), None)
    rest = slice(count, None)
    assert (outputs["labels"][0, :count] >= 0).all()
    assert (outputs["labels"][0, rest] == -1).all()
    assert not outputs["scores"][0, rest].any()
    assert not outputs["boxes"][0, rest].any()
    assert not outputs["masks"][0, rest].any()


def test_images_as_they_are_loaded_for_networks_of_bgr(same_network):
    cfg = small_config()
    cfg.model.data_preprocessor.update(
        mean=[103.5, 116.3, 123.7], std=[50.0, 58.0, 66.0], bgr_to_rgb=False, pad_value=9
    )
    model = small_detector(cfg)
    assert max(assert_equal(model, build_onnx(model), images())) > 5


def test_class_agnostic_suppression_and_no_centerness_on_the_box_tower():
    cfg = small_config(nms=dict(type="nms", iou_threshold=0.5, class_agnostic=True))
    cfg.model.bbox_head.update(norm_on_bbox=False, centerness_on_reg=False)
    model = small_detector(cfg)
    assert_equal(model, build_onnx(model), images())


def test_float16_is_close(detector, exported_half):
    rows = check(detector, onnx_runtime(exported_half[0]), images(), BOUNDS["float16"])
    total = sum((row.agreement for row in rows), Agreement())
    assert total.failures(BOUNDS["float16"]) == []
    assert max(total.scores) > 1e-6  # it is not the float32 network


@pytest.mark.parametrize(
    ("name", "fixed_size"),
    [("DCNv2", None), ("DCN", (75, 110)), pytest.param("DCN", None, marks=pytest.mark.long)],
)
def test_deformable_convolutions(name, fixed_size):
    cfg = small_config()
    cfg.model.bbox_head.update(dcn_on_last_conv=name == "DCNv2", stacked_convs=2)
    if name == "DCN":
        cfg.model.bbox_head.conv_cfg = dict(type="DCN")
        cfg.model.bbox_head.conv_bias = False
    model = small_detector(cfg)
    generator = torch.Generator().manual_seed(0)
    offsets = [m for n, m in model.named_modules() if n.endswith("conv_offset")]
    assert len(offsets) == (2 if name == "DCNv2" else 4)
    for conv in offsets:  # they begin at zero, which would move nothing
        conv.weight.data.normal_(0, 0.3, generator=generator)
    assert opset_for(model) == 19
    sizes = SIZES if fixed_size is None else [(fixed_size, fixed_size)]
    assert_equal(model, build_onnx(model, fixed_size=fixed_size), images(sizes))


def test_exporting_changes_no_detector(detector, exported_half):
    before, after = exported_half[1], detector.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_shapes_of_the_dynamic_model_are_inferred(exported):
    inferred = shape_inference.infer_shapes(exported, strict_mode=True, data_prop=True)
    ranks = {o.name: len(o.type.tensor_type.shape.dim) for o in inferred.graph.output}
    assert ranks == dict(boxes=2, scores=1, labels=1, masks=3, image_inds=1)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict(nms=dict(type="soft_nms", iou_threshold=0.5)), "model.test_cfg.nms"),
        (dict(nms=dict(type="nms", iou_threshold=0.5, split_thr=10)), "model.test_cfg.nms"),
        (dict(max_per_img=-1), "model.test_cfg.max_per_img"),
    ],
)
def test_settings_that_no_file_can_have(detector, settings, named):
    model = copy.deepcopy(detector)
    model.bbox_head.test_cfg = {**model.bbox_head.test_cfg, **settings}
    with pytest.raises(ValueError, match=named):
        BoxSettings.from_model(model)


def test_sizes_below_one(detector):
    with pytest.raises(ValueError, match="batch=0"):
        build_onnx(detector, batch=0)
    with pytest.raises(ValueError, match="fixed_size"):
        build_onnx(detector, fixed_size=(0, 9))
