"""Test which images go to training and which to validation."""

import math
from pathlib import Path

import pytest

from condinst.dataset_converters.split import Sample, find_duplicates, split_samples


def _samples(labels):
    return [
        Sample(f"{i:03}.png", Path(f"{i:03}.png"), frozenset(these))
        for i, these in enumerate(labels)
    ]


def _split(samples, duplicates=(), val_fraction=0.2, seed=0):
    return split_samples(samples, duplicates, val_fraction=val_fraction, seed=seed)


def test_the_fraction_is_kept():
    flags = _split(_samples([["a"]] * 100), val_fraction=0.25)
    assert sum(flags) == 25


def test_classes_of_two_images_are_in_both_splits():
    labels = [["common"]] * 60
    for number in range(5):
        labels[number * 7] = labels[number * 7 + 3] = ["common", f"rare {number}"]
    samples = _samples(labels)
    flags = _split(samples)
    for number in range(5):
        both = {
            flag for s, flag in zip(samples, flags, strict=True) if f"rare {number}" in s.labels
        }
        assert both == {True, False}
    assert sum(flags) == 12


def test_a_class_of_two_images_is_in_both_splits_where_validation_is_the_larger():
    samples = _samples([["common", "rare"] if i in (3, 11) else ["common"] for i in range(20)])
    flags = _split(samples, val_fraction=0.9)
    assert sum(flags) == 18
    assert {flags[3], flags[11]} == {True, False}


def test_negative_images_are_shared_out_as_a_class():
    samples = _samples([["a"]] * 50 + [[]] * 50)
    flags = _split(samples)
    assert sum(flags[:50]) == sum(flags[50:]) == 10


def test_the_order_of_the_images_does_not_matter_and_the_seed_does():
    samples = _samples([["a", "b"][i % 3 == 0 :] for i in range(40)])
    chosen = {s.name for s, flag in zip(samples, _split(samples), strict=True) if flag}
    turned = samples[::-1]
    assert chosen == {s.name for s, flag in zip(turned, _split(turned), strict=True) if flag}
    other = {s.name for s, f in zip(samples, _split(samples, seed=1), strict=True) if f}
    assert len(other) == len(chosen)
    assert other != chosen


def test_duplicates_stay_together():
    samples = _samples([["a"]] * 40)
    groups = [[i, i + 20] for i in range(20)]
    flags = _split(samples, groups)
    assert flags[:20] == flags[20:]
    assert sum(flags) == 8


@pytest.mark.parametrize("number", [2, 3, 4])
def test_both_splits_get_an_image(number):
    for fraction in (0.01, 0.5, 0.99):
        flags = _split(_samples([["a"]] * number), val_fraction=fraction)
        assert 1 <= sum(flags) <= number - 1
        assert math.isclose(sum(flags), min(max(1, round(fraction * number)), number - 1))


def test_one_large_group_of_duplicates_leaves_training_the_rest():
    flags = _split(_samples([["a"]] * 12), [list(range(6)), list(range(6, 12))])
    assert sum(flags) == 6


def test_one_image_cannot_be_split():
    with pytest.raises(ValueError, match="two different images, found 1"):
        _split(_samples([["a"]] * 2), [[0, 1]])


def test_duplicates_are_found_by_their_bytes(tmp_path):
    contents = {"a": b"x" * 100, "b": b"y" * 100, "c": b"x" * 100, "d": b"x" * 101, "e": b"y" * 100}
    samples = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        samples.append(Sample(name, tmp_path / name, frozenset()))
    assert find_duplicates(samples) == [[0, 2], [1, 4]]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.4, 0.9])
@pytest.mark.parametrize("empty", [1, 2, 7])
@pytest.mark.parametrize("full", [2, 3, 8])
def test_both_splits_have_objects_if_two_images_do(full, empty, fraction):
    samples = _samples([[f"class {i}"] for i in range(full)] + [[]] * empty)
    for seed in range(10):
        flags = _split(samples, val_fraction=fraction, seed=seed)
        assert {flag for s, flag in zip(samples, flags, strict=True) if s.labels} == {True, False}


def test_a_group_of_duplicates_is_exchanged_as_a_whole():
    samples = _samples([["a"], ["a"], ["b"], ["b"], [], [], []])
    for seed in range(10):
        flags = _split(samples, [[0, 1], [2, 3]], val_fraction=0.15, seed=seed)
        assert flags[0] == flags[1] != flags[2] == flags[3]
