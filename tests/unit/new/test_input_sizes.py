"""Compare image sizes with calculations by hand."""

from __future__ import annotations

import pytest
from tiny_data import make_facts

from condinst.new.input_sizes import choose_views


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
    """Half of the nuclei are under 20 pixels."""
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
