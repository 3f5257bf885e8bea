"""Compare sizes, batches, rates and lengths with calculations by hand and with mmengine."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from mmengine.config import ConfigDict
from mmengine.dataset import ClassBalancedDataset
from tiny_data import make_facts

from condinst.new.models import Recipe
from condinst.new.resources import Machine, find_machine
from condinst.new.schedule import (
    choose_balance,
    choose_max_per_img,
    choose_schedule,
    memory_megapixels,
)
from condinst.new.views import choose_views

RECIPE = Recipe("r50", "base.py", gib_per_megapixel=2.0, gib_fixed=1.5)
GPU = Machine("cuda", 24, 16, "a GPU")
CPU = Machine("cpu", 16, 2, "2 processors")


def base(lr=0.01, batch=16, kind="SGD"):
    return ConfigDict(
        optim_wrapper=dict(optimizer=dict(type=kind, lr=lr)),
        auto_scale_lr=dict(base_batch_size=batch),
    )


def test_photographs_are_shown_whole_and_enlarged_on_a_gpu():
    views = choose_views(make_facts(object_sizes=(15.0, 52.0, 224.0)), "cuda", 10)
    # 90% should be over 20 pixels: 20 / 15
    assert views.factor == pytest.approx(20 / 15, abs=0.05)
    assert views.crop is None
    assert views.test_scale == views.scales[-1]
    shorts = [short for _, short in views.scales]
    assert shorts[-1] == pytest.approx(480 * views.factor, abs=4)
    assert shorts[0] == pytest.approx(0.8 * shorts[-1], abs=4)
    assert views.megapixels == pytest.approx(0.64 * 0.48 * views.factor**2)
    assert views.mask_stride == 4


def test_small_objects_are_doubled_in_crops_on_a_cpu():
    """Return facts on nuclei, half of them under 20 pixels."""
    facts = make_facts(size=(320, 256), largest=(1388, 1040), object_sizes=(8.8, 20.0, 38.0))
    views = choose_views(facts, "cpu", 10)
    assert views.factor == 2.0  # 40 / 20
    assert views.scales == ((384, 384),)
    low, high = views.crop
    # from 2.5 to 1.6 times the size
    assert 384 / low == pytest.approx(2.5, abs=0.1)
    assert 384 / high == pytest.approx(1.6, abs=0.1)
    assert views.test_scale is None
    assert views.test_factor == 2.0  # 1388 x 1040 doubled are 5.8 megapixels
    assert views.mask_stride == 2
    assert views.tiles is None


def test_large_images_of_small_objects_are_cut_and_predicted_by_tiles():
    facts = make_facts(size=(8000, 6000), largest=(8000, 6000), object_sizes=(15.0, 40.0, 90.0))
    views = choose_views(facts, "cuda", 10)
    assert views.crop is not None
    assert views.factor >= 1
    assert views.test_factor**2 * 48 <= 4 * 1.333 * 0.8 + 0.01
    assert views.tiles is not None


def test_large_images_of_large_objects_are_shrunk():
    facts = make_facts(size=(4000, 3000), largest=(4000, 3000), object_sizes=(200.0, 500.0, 1500.0))
    views = choose_views(facts, "cuda", 10)
    assert views.crop is None
    assert views.test_scale[0] * views.test_scale[1] <= 1.1 * 1333 * 800
    assert views.factor < 0.4


def test_objects_of_constant_size_are_not_scaled_with_their_image():
    views = choose_views(make_facts(grows=False), "cuda", 10)
    assert views.crop is not None
    assert views.test_scale is None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("size", [(96, 96), (256, 256), (640, 480), (2000, 1000), (6000, 4000)])
@pytest.mark.parametrize("median", [6.0, 20.0, 60.0, 300.0])
def test_what_holds_for_all(device, size, median):
    facts = make_facts(size=size, largest=size, object_sizes=(median / 2, median, median * 3))
    for memory in (0.2, 5):
        views = choose_views(facts, device, memory)
        assert views.megapixels <= 1.05 * memory
        assert 0 < views.factor <= 3
        assert all(side % 8 == 0 for scale in views.scales for side in scale)
        assert all(long >= short for long, short in views.scales)


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


def test_the_machine():
    assert find_machine("cpu", 12).memory == 12
    assert find_machine("cpu").memory > 1
    with pytest.raises(ValueError, match="--memory 0: expected 1 to 4096 GiB"):
        find_machine("cpu", 0)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_gpu_elsewhere_is_described_by_its_memory(no_gpu):
    assert find_machine("cuda", 24) == Machine("cuda", 24, 0, "a GPU of 24 GiB")


def test_no_gpu_is_told(no_gpu):
    assert find_machine().device == "cpu"
    with pytest.raises(ValueError, match="--device cuda: PyTorch finds no GPU.*--memory 24"):
        find_machine("cuda")
