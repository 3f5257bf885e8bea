"""Our detector inside mmdet's own unmodified tools and APIs, and mmdet's checkpoints in ours.

mmdet's tools are those of its wheel, started by plain ``python``; nothing imports condinst but the
config's ``custom_imports``.
"""

import json
import pickle
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
from commands import SMALL, TEST, read_metrics, run
from mmengine.config import Config
from pycocotools import mask as mask_utils

from condinst.compat.checkpoint import load_from_local

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),  # pycocotools
]

MMDET_TRAIN = Path(mmdet.__file__).parent / ".mim" / "tools" / "train.py"
MMDET_TEST = MMDET_TRAIN.with_name("test.py")


def mmdet_config(path: Path, shapes: Path, **settings) -> Path:
    """Write a config of mmdet's scope, with the small config's model, data and schedule."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDINST_DATA_ROOT", f"{shapes.as_posix()}/")
        small = Config.fromfile(SMALL)
    names = ("model", "optim_wrapper", "param_scheduler", "train_cfg", "val_cfg", "test_cfg")
    names += tuple(f"{split}_dataloader" for split in ("train", "val", "test"))
    names += ("val_evaluator", "test_evaluator")
    content = {name: small[name] for name in names}
    content["custom_imports"] = dict(imports=["condinst"])
    content["train_cfg"].update(max_iters=2, val_interval=2)
    content["default_hooks"] = dict(
        checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
        logger=dict(type="LoggerHook", interval=1),
    )
    content["log_processor"] = dict(type="LogProcessor", by_epoch=False)
    Config({**content, **settings}).dump(path)
    text = "_base_ = 'mmdet::_base_/default_runtime.py'\n" + path.read_text()
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def ours(tmp_path_factory, shapes, trained) -> Path:
    """A config of mmdet's scope that asks for our detector; its heads have bare names."""
    path = tmp_path_factory.mktemp("ours") / "config.py"
    mmdet_config(
        path,
        shapes,
        load_from=str(trained / "iter_80.pth"),
    )
    path.write_text(path.read_text().replace("type='CondInst'", "type='condinst.CondInst'"))
    assert "condinst.CondInst'" in path.read_text()
    return path


@pytest.fixture(scope="module")
def theirs(tmp_path_factory, shapes, trained) -> Path:
    """A config of mmdet's own detector, from the weights of ours.

    It imports condinst only because mmdet cannot load a checkpoint on a current torch without.
    """
    path = tmp_path_factory.mktemp("theirs") / "config.py"
    return mmdet_config(path, shapes, load_from=str(trained / "iter_80.pth"))


@pytest.fixture(scope="module")
def their_checkpoint(theirs) -> Path:
    """In the published files' format: weights, optimizer, message hub, meta."""
    run(MMDET_TRAIN, theirs, "--work-dir", theirs.parent)
    path = theirs.parent / "iter_2.pth"
    keys = {"meta", "state_dict", "message_hub", "optimizer", "param_schedulers"}
    assert set(load_from_local(str(path))) == keys
    return path


@pytest.fixture(scope="module")
def expected(theirs, their_checkpoint) -> tuple[dict[str, float], list[dict]]:
    """Metrics and predictions of mmdet's own detector."""
    return evaluated(MMDET_TEST, theirs, their_checkpoint, theirs.parent / "test")


def evaluated(
    tool, config, checkpoint, work_dir, **settings
) -> tuple[dict[str, float], list[dict]]:
    out = work_dir / "predictions.pkl"
    run(tool, config, checkpoint, "--work-dir", work_dir, "--out", out, **settings)
    return read_metrics(work_dir), pickle.loads(out.read_bytes())


def test_mmdets_checkpoint_in_our_tool(expected, their_checkpoint, shapes, tmp_path):
    assert_same(evaluated(TEST, SMALL, their_checkpoint, tmp_path, data=shapes), expected)


def test_our_detector_in_mmdets_test_tool(expected, ours, their_checkpoint, tmp_path):
    assert_same(evaluated(MMDET_TEST, ours, their_checkpoint, tmp_path), expected)


def assert_same(actual, expected):
    """The same AP, and the same instances on every image."""
    (metrics, samples), (expected_metrics, expected_samples) = actual, expected
    assert expected_metrics["coco/bbox_mAP"] > 0.1
    assert expected_metrics["coco/segm_mAP"] > 0.02
    assert metrics == pytest.approx(expected_metrics, abs=1e-3)
    assert len(samples) == len(expected_samples) == 8
    for sample, other in zip(samples, expected_samples, strict=True):
        assert sample["img_id"] == other["img_id"]
        ours, theirs = sample["pred_instances"], other["pred_instances"]
        assert ours["labels"].tolist() == theirs["labels"].tolist()
        np.testing.assert_allclose(ours["scores"], theirs["scores"], atol=1e-4)
        np.testing.assert_allclose(ours["bboxes"], theirs["bboxes"], atol=1e-2)
        masks, other_masks = (
            np.array([mask_utils.decode(rle) for rle in found["masks"]]) for found in (ours, theirs)
        )
        assert (masks == other_masks).mean() > 0.9999


PROGRAM = """
import json
import sys

from mmdet.apis import DetInferencer, inference_detector, init_detector

config, checkpoint, image, out_dir = sys.argv[1:]
detector = init_detector(config, checkpoint, device="cpu")
found = inference_detector(detector, image).pred_instances
inferencer = DetInferencer(model=config, weights=checkpoint, device="cpu")
results = inferencer(image, out_dir=out_dir, pred_score_thr=0.2)["predictions"][0]
alone = DetInferencer(weights=checkpoint, device="cpu")  # its config is in the checkpoint
result = dict(
    module=type(detector).__module__,
    inferencer_module=type(inferencer.model).__module__,
    scores=found.scores.tolist(),
    areas=found.masks.sum(dim=(1, 2)).tolist(),
    inferencer_scores=results["scores"],
    inferencer_masks=results["masks"],
    scores_alone=alone(image)["predictions"][0]["scores"],
)
with open(out_dir + "/result.json", "w") as file:
    json.dump(result, file)
"""


def test_training_in_mmdets_tool_then_mmdets_apis(ours, shapes, tmp_path):
    run(MMDET_TRAIN, ours, "--work-dir", ours.parent)
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    image = shapes / "train" / "000000.png"
    run(script, ours, ours.parent / "iter_2.pth", image, tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["module"] == result["inferencer_module"] == "condinst.models.condinst"
    assert max(result["scores"]) > 0.3
    assert result["inferencer_scores"] == pytest.approx(result["scores"], abs=1e-6)
    assert result["scores_alone"] == result["inferencer_scores"]
    areas = [int(mask_utils.area(rle)) for rle in result["inferencer_masks"]]
    assert areas == result["areas"]
    assert max(areas) > 50
    drawn = cv2.imread(str(next((tmp_path / "vis").iterdir())))
    original = cv2.imread(str(image))
    assert drawn.shape == original.shape
    assert np.abs(drawn.astype(int) - original).mean() > 1
