"""Mask targets made in the pipeline: the same losses, also through spawned data workers."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from condinst.datasets import PrepareMaskTargets
from condinst.datasets.shapes.generator import make_shapes
from condinst.registry import DATASETS, MODELS
from condinst.targets.target_types import SampledMasks

NUM_IMAGES = 16


@pytest.fixture(scope="module")
def config(repo, tmp_path_factory):
    """The quickstart's, on generated images with polygons and both kinds of RLE."""
    cfg = Config.fromfile(repo / "configs/quickstart/quickstart_condinst_r18_fpn_shapes.py")
    folder = tmp_path_factory.mktemp("data") / "shapes"
    assert make_shapes(folder, num_train=NUM_IMAGES, num_val=1, size=160, seed=4)
    cfg.train_dataloader.dataset.data_root = str(folder)
    return cfg


def dataset(cfg, *, with_transform=True):
    node = copy.deepcopy(cfg.train_dataloader.dataset)
    if not with_transform:
        node.pipeline = [step for step in node.pipeline if step.type != "PrepareMaskTargets"]
        assert len(node.pipeline) == len(cfg.train_dataloader.dataset.pipeline) - 1
    with DefaultScope.overwrite_default_scope("condinst"):
        return DATASETS.build(node)


def load(data, indices):
    items = []
    for index in indices:
        np.random.seed(index)  # of the flip
        items.append(data[index])
    return pseudo_collate(items)


def losses(model, batch):
    torch.manual_seed(0)
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    return model(**data, mode="loss")


@pytest.fixture(scope="module")
def model(config):
    with DefaultScope.overwrite_default_scope("condinst"):
        torch.manual_seed(0)
        made = MODELS.build(config.model)
        made.train()
        return made


def test_losses_are_those_without_the_transform(config, model):
    early, late = dataset(config), dataset(config, with_transform=False)
    kinds = set()
    for start in range(0, NUM_IMAGES, 4):
        indices = range(start, start + 4)
        batches = [load(data, indices) for data in (early, late)]
        masks = [[s.gt_instances.masks for s in batch["data_samples"]] for batch in batches]
        assert all(isinstance(m, SampledMasks) and len(m) for m in masks[0])
        kinds.update(type(m).__name__ for m in masks[1])
        ours, theirs = (losses(model, batch) for batch in batches)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        assert ours["loss_mask"] > 0
    assert kinds == {"PolygonMasks", "CropMasks"}


def test_a_batch_in_which_every_object_is_ignored(config, model):
    data = dataset(config)
    data.full_init()
    infos = [data.get_data_info(i) for i in range(2)]
    for info in infos:
        for instance in info["instances"]:
            instance["ignore_flag"] = 1
    batch = pseudo_collate([data.pipeline(info) for info in infos])
    samples = batch["data_samples"]
    assert all(len(sample.gt_instances.masks) == 0 for sample in samples)
    assert all(len(sample.ignored_instances.masks) > 0 for sample in samples)
    found = losses(model, batch)
    assert found["loss_mask"] == 0
    assert found["loss_mask"].requires_grad


@pytest.mark.long
def test_spawned_workers_hand_over_what_is_made_in_process(config):
    cfg = copy.deepcopy(config)
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline[3].update(type="RandomFlip", prob=1.0)  # nothing random
    data = dataset(cfg)
    loader = DataLoader(
        data,
        batch_size=8,
        num_workers=2,
        multiprocessing_context="spawn",
        collate_fn=pseudo_collate,
    )
    found = [sample.gt_instances for batch in loader for sample in batch["data_samples"]]
    assert len(found) == NUM_IMAGES
    for index, received in enumerate(found):
        made = data[index]["data_samples"].gt_instances
        assert isinstance(received.masks, SampledMasks)
        assert received.masks.stride == 2
        assert made.masks.samples.any()
        assert torch.equal(received.masks.samples, made.masks.samples)
        assert torch.equal(received.masks.centers, made.masks.centers)


def test_without_masks_the_key_of_the_pipeline_is_named():
    with pytest.raises(ValueError, match=r"street\.jpg.*LoadAnnotations\(with_mask=True\)"):
        PrepareMaskTargets()({"img_path": "street.jpg"})


@pytest.mark.parametrize("stride", [0, -4, 2.0, None])
def test_a_stride_that_is_none_is_refused(stride):
    with pytest.raises(ValueError, match=f"stride.*{stride}"):
        PrepareMaskTargets(stride=stride)
