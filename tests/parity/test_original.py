"""The original implementation is the oracle: its answers on seeded weights (../shared/golden)."""

from __future__ import annotations

import importlib.util
import json
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from processor import HAS_AVX512
from pycocotools import mask as coco_mask

from condinst.checkpoints import to_condinst, to_original
from condinst.compat.base_configs import shipped_config
from condinst.datasets import PrepareBoxTargets
from condinst.registry import MODELS

CASES = {
    "condinst_r50_fpn_1x": "condinst_r50-caffe_fpn_ms-1x_coco_instance.py",
    "condinst_r50_fpn_3x_sem": "condinst_r50-caffe_fpn_sem_ms-3x_coco_instance.py",
    "condinst_r50_bifpn_1x": "condinst_r50-caffe_bifpn_ms-1x_coco_instance.py",
    "boxinst_r50_fpn_1x": "boxinst_r50-caffe_fpn_ms-1x_coco_instance.py",
}

# The original's names of the losses. Its box loss adds 1 to intersection and union, ours does not.
LOSSES = {
    "loss_fcos_cls": "loss_cls",
    "loss_fcos_ctr": "loss_centerness",
    "loss_mask": "loss_mask",
    "loss_sem": "loss_semantic",
    "loss_prj": "loss_mask_project",
    "loss_pairwise": "loss_mask_pairwise",
}


class Case:
    """One of the original's answers, and ours from the same weights."""

    def __init__(self, folder: Path, name: str) -> None:
        self.answer = json.loads((folder / f"{name}.json").read_text())
        self.image = cv2.imread(str(folder / f"{name}.png"))
        spec = importlib.util.spec_from_file_location("golden_weights", folder / "weights.py")
        weights = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(weights)
        arrays = weights.reference_state_dict(folder / f"{name}.json")
        self.original = {key: torch.from_numpy(value) for key, value in arrays.items()}
        cfg = Config.fromfile(shipped_config(CASES[name]))
        cfg.model.backbone.init_cfg = None
        with DefaultScope.overwrite_default_scope("condinst"):
            self.model = MODELS.build(cfg.model)
        self.model.load_state_dict(to_condinst(self.original), strict=True)

    def batch(self, with_objects: bool) -> dict:
        height, width = self.answer["input_size"]
        ori_height, ori_width = self.answer["original_size"]
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                ori_shape=(ori_height, ori_width),
                scale_factor=(width / ori_width, height / ori_height),
            )
        )
        if with_objects:
            sample.gt_instances = self._objects()
        return dict(
            inputs=[torch.from_numpy(self.image).permute(2, 0, 1).contiguous()],
            data_samples=[sample],
        )

    def _objects(self) -> InstanceData:
        gt = self.answer["gt"]
        boxes = torch.tensor(gt["boxes"])
        if type(self.model).__name__ == "BoxInst":
            results = dict(img=self.image, gt_bboxes=boxes, ori_shape=self.answer["original_size"])
            masks = PrepareBoxTargets().transform(results)["gt_masks"]
        else:
            polygons = [[np.array(part) for part in parts] for parts in gt["polygons"]]
            masks = PolygonMasks(polygons, *self.answer["input_size"])
        return InstanceData(bboxes=boxes, labels=torch.tensor(gt["labels"]), masks=masks)


@pytest.fixture(autouse=True)
def no_iteration(monkeypatch):
    """The warm-up of BoxInst counts from 0, whatever a run in this process has left behind."""
    monkeypatch.setattr(MessageHub.get_current_instance(), "_runtime_info", OrderedDict())


@pytest.fixture(scope="module", params=CASES)
def case(shared, request):
    return Case(shared / "golden/adelaidet", request.param)


def test_predictions(case):
    """Boxes to 1e-2 pixel, scores to 1e-4, masks to an IoU of 0.999 (0.998 without AVX-512)."""
    case.model.eval()
    with torch.no_grad():
        (sample,) = case.model.test_step(case.batch(with_objects=False))
    actual, expected = sample.pred_instances, case.answer["predictions"]
    order = np.lexsort((actual.labels.numpy(), -actual.scores.numpy()))
    boxes = torch.tensor(expected["boxes"])
    scores = torch.tensor(expected["scores"])
    assert len(actual) == len(scores)
    # equal scores may come in any order: detections are matched by class and box
    distances = (actual.bboxes[:, None] - boxes[None]).abs().amax(dim=2)
    distances[actual.labels[:, None] != torch.tensor(expected["classes"])[None]] = torch.inf
    nearest, inds = distances.min(dim=1)
    assert sorted(inds.tolist()) == list(range(len(scores)))
    assert nearest.max() < 1e-2
    assert (actual.scores - scores[inds]).abs().max() < 1e-4
    assert len(order) == len(scores)
    ious = []
    for mask, i in zip(actual.masks, inds.tolist(), strict=True):
        reference = coco_mask.decode(expected["masks"][i]).astype(bool)
        union = (mask.numpy() | reference).sum()
        ious.append(1.0 if union == 0 else (mask.numpy() & reference).sum() / union)
    # without AVX-512, 72 of one mask's 49,559 pixels differ
    assert min(ious) > (0.999 if HAS_AVX512 else 0.998)


def test_losses_and_gradients(case):
    """Losses to 1e-4 relative; norms of mask branch's and controller's gradients to 1e-3."""
    case.model.train()
    case.model.zero_grad()
    data = case.model.data_preprocessor(case.batch(with_objects=True), True)
    losses = case.model(**data, mode="loss")
    comparable = {key for key in case.answer["losses"] if key != "loss_fcos_loc"}
    assert {LOSSES[key] for key in comparable} == losses.keys() - {"loss_bbox"}
    for key in comparable:
        expected = case.answer["losses"][key]
        assert losses[LOSSES[key]].item() == pytest.approx(expected, rel=1e-4), key
    mask_losses = [value for key, value in losses.items() if key.startswith("loss_mask")]
    semantic = [losses["loss_semantic"]] if "loss_semantic" in losses else []
    sum(mask_losses + semantic).backward()
    found = {key: p.grad for key, p in case.model.named_parameters() if p.grad is not None}
    names = case.model.state_dict().items()
    gradients = to_original({key: found.get(key, torch.zeros_like(x)) for key, x in names})
    norms = {
        key: norm
        for key, norm in case.answer["grad_norms"].items()
        if key.startswith(("mask_branch.", "controller."))
    }
    assert len(norms) > 20
    for key, expected in norms.items():
        assert gradients[key].norm().item() == pytest.approx(expected, rel=1e-3), key
