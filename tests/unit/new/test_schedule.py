"""Compare batches, rates and lengths with calculations by hand and with mmengine."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from mmengine.config import ConfigDict
from mmengine.dataset import ClassBalancedDataset
from tiny_data import make_facts

from condinst.new.input_sizes import choose_views
from condinst.new.models import Recipe
from condinst.new.resources import Machine
from condinst.new.schedule import (
    choose_balance,
    choose_max_per_img,
    choose_schedule,
    memory_megapixels,
)

RECIPE = Recipe("r50", "base.py", gib_per_megapixel=2.0, gib_fixed=1.5)
GPU = Machine("cuda", 24, 16, "a GPU")
CPU = Machine("cpu", 16, 2, "2 processors")


def base(lr=0.01, batch=16, kind="SGD"):
    return ConfigDict(
        optim_wrapper=dict(optimizer=dict(type=kind, lr=lr)),
        auto_scale_lr=dict(base_batch_size=batch),
    )


@pytest.mark.parametrize(
    ("memory", "batch"), [(4, 1), (8, 4), (24, 16)], ids=["4 GiB", "8 GiB", "24 GiB"]
)
def test_the_batch_fits_into_memory_and_the_rate_follows(memory, batch):
    facts = make_facts(object_sizes=(15.0, 52.0, 224.0))
    machine = Machine("cuda", memory, 16, "a GPU")
    views = choose_views(facts, "cuda", memory_megapixels(machine, RECIPE))
    schedule = choose_schedule(facts, views, machine, RECIPE, base(), "coco")
    assert schedule.batch_size == batch
    assert schedule.lr == pytest.approx(0.01 * batch / 16, rel=0.01)
    per_image = views.megapixels * 2.0
    assert 1.5 + batch * per_image <= 0.85 * memory < 1.5 + 2 * batch * per_image


def test_too_little_memory():
    with pytest.raises(ValueError, match=r"1\.0 GiB are too few to train r50; expected 2\.0 GiB"):
        memory_megapixels(Machine("cuda", 1, 4, "a GPU"), RECIPE)


@pytest.mark.parametrize(
    ("start", "images", "views"),
    [("coco", 4000, 36), ("imagenet", 4000, 72), ("scratch", 4000, 120)],
)
def test_each_image_is_seen_often_enough(start, images, views):
    facts = make_facts(num_train=images)
    chosen = choose_views(facts, "cuda", 10)
    schedule = choose_schedule(facts, chosen, GPU, RECIPE, base(), start)
    assert schedule.views == pytest.approx(views, rel=0.05)
    assert schedule.max_iters * schedule.batch_size / images == pytest.approx(schedule.views)
    assert schedule.max_iters % schedule.val_interval == 0
    assert schedule.warmup < schedule.max_iters


def test_few_and_many_images_have_bounds():
    def iterations(images, machine):
        facts = make_facts(num_train=images)
        chosen = choose_views(facts, machine.device, 10)
        return choose_schedule(facts, chosen, machine, RECIPE, base(), "coco").max_iters

    assert iterations(20, GPU) == 1600  # 1500, in eight parts of whole fifties
    assert iterations(118_000, GPU) == pytest.approx(90_000, rel=0.01)
    assert iterations(20, CPU) == 600
    assert iterations(118_000, CPU) == 1600


def test_a_batch_is_no_larger_than_the_data():
    facts = make_facts(num_train=3)
    chosen = choose_views(facts, "cuda", 10)
    assert choose_schedule(facts, chosen, GPU, RECIPE, base(), "coco").batch_size == 2


class _Labels(list):
    """A dataset with only the methods that mmengine's wrapper calls."""

    def get_cat_ids(self, index):
        return self[index]


def test_rare_classes_are_drawn_as_often_as_said():
    """Repeats are mmengine's factors (LVIS, Section 3): sqrt(threshold / fraction), rounded up."""
    facts = make_facts(classes=("a", "b", "c"), images_per_class=(300, 60, 6), num_train=400)
    balance = choose_balance(facts)
    assert (balance.rarest, balance.images) == ("c", 6)
    labels = [[0]] * 300 + [[1]] * 60 + [[2]] * 6 + [[]] * 34
    dataset = _Labels(labels)
    wrapper = SimpleNamespace(dataset=dataset)
    factors = ClassBalancedDataset._get_repeat_factors(wrapper, dataset, balance.threshold)
    assert math.ceil(factors[360]) == balance.repeats > 1
    assert max(map(math.ceil, factors)) <= 4


def test_classes_alike_need_no_balance():
    assert choose_balance(make_facts(images_per_class=(200, 30))) is None
    assert choose_balance(make_facts(classes=("a",), images_per_class=(5,))) is None
    unseen = make_facts(classes=("a", "b"), images_per_class=(300, 0))
    assert choose_balance(unseen) is None


@pytest.mark.parametrize(("busiest", "expected"), [(3, 100), (75, 100), (80, 150), (375, 500)])
def test_detections_cover_the_busiest_image(busiest, expected):
    assert choose_max_per_img(make_facts(busiest=busiest)) == expected
