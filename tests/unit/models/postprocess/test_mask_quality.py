"""Scores times the mean score of the mask, by hand calculation."""

import copy

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from small_rtmdet import seeded_rtmdet, small_rtmdet

from condinst.models.postprocess.mask_quality import mask_quality, rescore
from condinst.registry import MODELS

# three masks of 1 x 4 cells: sure, unsure, without a cell
SCORES = torch.tensor([[[0.9, 0.9, 0.1, 0.1]], [[0.6, 0.8, 0.5, 0.2]], [[0.5, 0.4, 0.1, 0.0]]])
LOGITS = torch.logit(SCORES)


def test_the_mean_of_the_cells_above_the_threshold():
    found = mask_quality(LOGITS, 0.5)
    torch.testing.assert_close(found, torch.tensor([0.9, 0.7, 0.0]))
    torch.testing.assert_close(mask_quality(LOGITS[:1], 0.05), torch.tensor([0.5]))
    assert mask_quality(LOGITS[:0], 0.5).shape == (0,)


def test_detections_are_in_the_order_of_the_new_scores():
    found = InstanceData(scores=torch.tensor([0.9, 0.8, 0.7]), labels=torch.tensor([2, 1, 0]))
    logits = LOGITS[[2, 1, 0]]
    after, order = rescore(found, logits, 0.5)
    torch.testing.assert_close(after.scores, torch.tensor([0.7 * 0.9, 0.8 * 0.7, 0.0]))
    assert after.labels.tolist() == [0, 1, 2]
    assert torch.equal(order, logits[[2, 1, 0]])


def test_the_detector_multiplies_its_scores_only_if_it_is_asked():
    model = seeded_rtmdet()
    images = 60 * torch.randn(3, 64, 96, generator=torch.Generator().manual_seed(0)) + 127
    sample = DetDataSample(
        metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96), scale_factor=(1.0, 1.0))
    )
    data = dict(inputs=[images], data_samples=[sample])
    assert "mask_quality" not in model.test_cfg

    def predict():
        with torch.no_grad():
            return copy.deepcopy(model.test_step(data)[0].pred_instances)

    plain = predict()
    model.test_cfg = {**model.test_cfg, "mask_quality": "maskness"}
    found = predict()
    assert len(found) == len(plain) > 3
    assert (found.scores.diff() <= 0).all()
    for i in range(len(found)):  # the same instances, with lower scores
        same = (plain.bboxes == found.bboxes[i]).all(dim=1) & (plain.labels == found.labels[i])
        (place,) = same.nonzero().flatten().tolist()
        assert 0 <= found.scores[i] <= plain.scores[place]
        assert torch.equal(found.masks[i], plain.masks[place])


def test_another_value_is_refused():
    cfg = small_rtmdet()
    cfg.test_cfg.mask_quality = "iou"
    said = "mask_quality='iou': expected one of none, maskness"
    with DefaultScope.overwrite_default_scope("condinst"), pytest.raises(ValueError, match=said):
        MODELS.build(cfg)
