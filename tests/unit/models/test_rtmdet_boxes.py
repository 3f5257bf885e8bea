"""RTMDet-Ins whose masks are learned from boxes: losses by hand, and learning on shapes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MessageHub
from small_model import BOX, build, losses_of, sample
from small_rtmdet import small_rtmdet

from condinst.compat.base_configs import shipped_config
from condinst.config.check import check_config
from condinst.datasets.checks.target_checks import check_targets
from condinst.datasets.shapes.scene import draw_scene
from condinst.masks.crop_masks import CropMasks
from condinst.models.structures import Instances
from condinst.registry import TRANSFORMS
from condinst.targets.target_types import SimilarColors

SETTINGS = dict(pairwise_size=3, pairwise_dilation=2, pairwise_weight=2.0, warmup_iters=0)


def test_both_pipelines_of_the_config_fit_its_model():
    cfg = Config.fromfile(shipped_config("rtmdet-ins_tiny_boxes-300e_coco_instance"))
    check_config(cfg)
    for steps in (cfg.train_pipeline, cfg.custom_hooks[-1].switch_pipeline):
        assert check_targets("train", steps, cfg.model) == []
        names = [step.type for step in steps]
        assert names[-2:] == ["PrepareBoxTargets", "PackDetInputs"]
        assert "CachedMixUp" not in names
        assert not steps[1].get("with_mask")
    assert "CachedMosaic" in [step.type for step in cfg.train_dataloader.dataset.pipeline]


def boxes_of(boxes, size, edges=None, stride=4):
    """A random image with boxes and colors in place of masks."""
    data = sample(boxes, size)
    cells = [-(-side // stride) for side in size]
    if edges is None:
        edges = torch.ones(8, *cells, dtype=torch.bool)
    data["data_samples"].gt_instances.masks = SimilarColors(edges, stride, len(boxes))
    return data


def test_the_weights_are_those_without_box_supervision():
    """Also their values: the losses take no random numbers."""
    plain, boxes = (build(small_rtmdet(**head)) for head in ({}, dict(box_supervision=SETTINGS)))
    expected, found = plain.state_dict(), boxes.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_losses_by_hand():
    """Logits of zero: every score is 1/2, every pair agrees with probability 1/2.

    The box 10, 20, 60, 80 touches the pixels 10 to 60 and 20 to 80, read at 2, 6, ...: of the 32
    columns 13 are in it (10, 14, ..., 58), of the 24 rows 15 (22, 26, ..., 78).
    """
    model = build(small_rtmdet(box_supervision=SETTINGS))
    for conv in model.bbox_head.rtm_kernel:
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    generator = torch.Generator().manual_seed(0)
    edges = torch.rand(8, 24, 32, generator=generator) > 0.5
    losses = losses_of(model, [boxes_of([BOX], (96, 128), edges)])
    assert "loss_mask" not in losses

    def dice(cells, covered):
        """Weight 2 of 1 - 2 |xy| / (|x|^2 + |y|^2), with mmdet's eps in each square."""
        inner = 2 * 0.5 * covered
        return 2 * (1 - inner / ((0.25 * cells + 5e-6) + (covered + 5e-6)))

    expected = dice(32, 13) + dice(24, 15)
    assert losses["loss_mask_project"].item() == pytest.approx(expected, rel=1e-5)
    # every edge of the box costs log 2, also one whose end is beyond the box but on the map
    assert losses["loss_mask_pairwise"].item() == pytest.approx(2 * np.log(2), rel=1e-5)
    assert edges[:, 5:20, 2:15].any()


def test_the_losses_see_the_enlarged_logits():
    """The loss of the head is that of logits at stride 4, computed for all instances at once."""
    model = build(small_rtmdet(box_supervision=SETTINGS))
    head = model.mask_head
    generator = torch.Generator().manual_seed(0)
    feats = torch.randn(1, 8, 6, 8, generator=generator)
    instances = Instances(
        params=torch.randn(3, head.num_params, generator=generator) * 0.3,
        points=torch.tensor([[16.0, 16], [24, 24], [40, 16]]),
        strides=torch.full((3,), 8.0),
        counts=[3],
        gt_inds=torch.tensor([1, 0, 1]),
    )
    data = boxes_of([BOX[:2] + [40.0, 40], [4.0, 4, 50, 30]], (48, 64))["data_samples"]
    truths = model._ground_truths(feats, [data], 4)
    losses = head.loss(feats, instances, truths)
    logits = F.interpolate(head(feats, instances)[:, None], scale_factor=2, mode="bilinear")[:, 0]
    scores, boxes = logits.sigmoid().double(), truths[0].mask_targets[[1, 0, 1]].double()

    def dice(a, b):
        return 1 - 2 * (a * b).sum(1) / ((a * a).sum(1) + (b * b).sum(1) + 1e-5)

    projection = 2 * sum(dice(scores.amax(i), boxes.amax(i)) for i in (1, 2)).sum() / 3
    assert losses["loss_mask_project"].item() == pytest.approx(projection.item(), rel=1e-5)


@pytest.mark.parametrize("boxes", [[], [[30.0, 30, 31, 31]]])
def test_losses_reach_every_parameter_without_positives(boxes):
    model = build(small_rtmdet(box_supervision=SETTINGS))
    losses = losses_of(model, [boxes_of(boxes, (96, 128)), boxes_of([], (96, 128))])
    assert losses["loss_mask_project"] == losses["loss_mask_pairwise"] == 0
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_masks_in_place_of_colors_are_refused():
    model = build(small_rtmdet(box_supervision=SETTINGS))
    with pytest.raises(ValueError, match="the training pipeline needs PrepareBoxTargets"):
        losses_of(model, [sample([BOX], (96, 128))])


def shapes(number, step, size=96):
    """Generated images with their shapes, of which every second has only a box, prepared."""
    steps = [
        dict(type=step, stride=4, bottom_pixels_removed=0),
        dict(type="PackDetInputs", meta_keys=("img_shape", "ori_shape")),
    ]
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    found = []
    for seed in range(number):
        scene = draw_scene(np.random.default_rng(seed), size)
        flags = np.arange(len(scene.masks)) % 2 == seed % 2
        masks = CropMasks(scene.masks.astype(np.uint8), size, size, flags)
        results = dict(img=np.ascontiguousarray(scene.image[..., ::-1]), gt_masks=masks)
        results |= dict(gt_bboxes=masks.get_bboxes(), gt_bboxes_labels=scene.labels)
        found.append(pipeline(results | dict(ori_shape=(size, size), img_shape=(size, size))))
    return found


@pytest.mark.parametrize("step", ["PrepareBoxTargets", "PrepareMixedTargets"])
def test_a_few_iterations_on_shapes_reduce_the_losses(step):
    """The pairwise loss without its warm-up, before and after 40 iterations with it."""
    settings = dict(SETTINGS, warmup_iters=150)
    model = build(small_rtmdet(num_classes=5, box_supervision=settings))
    model.init_weights()
    model.train()
    batch = shapes(4, step)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    info = MessageHub.get_current_instance().runtime_info
    history = []
    for i in range(41):
        measures = i in (0, 40)
        model.mask_head.boxes.warmup_iters = 0 if measures else 150
        info["iter"] = i
        losses = losses_of(model, batch)
        if measures:
            history.append({k: v.item() for k, v in losses.items()})
        optimizer.zero_grad()
        if not measures:
            sum(losses.values()).backward()
            optimizer.step()
    info.pop("iter")
    learned = [name for name in history[0] if "mask" in name]
    assert len(learned) == (2 if step == "PrepareBoxTargets" else 3)
    for name in learned:
        assert history[1][name] < 0.85 * history[0][name], name
