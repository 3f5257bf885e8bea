"""What an index of results chooses, and what it is refused with."""

import numpy as np
import pytest
import torch
from three_instances import make_results


@pytest.fixture(scope="module")
def results():
    """A dog, a cat and a dog; there are stars, but none was found."""
    return make_results(class_names=("cat", "dog", "star"))[0]


@pytest.mark.parametrize(
    ("index", "chosen"),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        ([0, 2], [0, 2]),
        ([2, -3, 2], [2, 0, 2]),
        ([], []),
        ((), []),
        (np.array([], np.int64), []),
        (np.array([1], np.uint8), [1]),
        ([True, False, True], [0, 2]),
        (np.zeros(3, bool), []),
        (torch.tensor([False, True, False]), [1]),
        (torch.tensor([1, 0]), [1, 0]),
        ("dog", [0, 2]),
        ("star", []),
        (("dog", "cat"), [0, 1, 2]),
        (["star", "cat"], [1]),
        (np.array(["cat"]), [1]),
    ],
)
def test_several(results, index, chosen):
    scores = np.array([0.9, 0.5, 0.25], np.float32)
    assert results[index].scores.tolist() == scores[chosen].tolist()


@pytest.mark.parametrize("index", [2, -1, np.int64(2), np.array(2), torch.tensor(2)])
def test_one(results, index):
    assert results[index].score == 0.25


def test_what_is_in_results(results):
    assert "dog" in results
    assert np.str_("cat") in results
    assert "star" not in results  # none was found
    assert "bird" not in results  # no class of the model
    assert all(instance in results for instance in results)
    assert results[1] not in results[:1]
    for item in (0, 0.5, None, results.names):
        with pytest.raises(TypeError, match=r" in results: expected a class name or an instance"):
            item in results  # noqa: B015


def test_comparisons(results):
    assert len(results[results.names == "dog"]) == 2
    assert len(results[results.names == "star"]) == 0
    assert len(results[results.scores > 0.4]) == 2
    assert len(results[(results.names == "dog") & (results.scores > 0.4)]) == 1
    assert len(results[np.isin(results.names, ["cat", "star"])]) == 1
    assert len(results[results.areas.argmax()]) == 1


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (False, TypeError, r"results\[False\]: .* compare an array, such as results.names =="),
        (True, TypeError, r'or write results\["person"\]'),
        (np.True_, TypeError, "a single truth value chooses no instances"),
        (np.array(True), TypeError, "expected a number, a slice, an array such as"),
        (3, IndexError, r"results\[3\]: there are 3 instances"),
        (-4, IndexError, r"results\[-4\]: there are 3 instances"),
        ([0, 3], IndexError, r"results\[3\]: there are 3 instances"),
        ([-4], IndexError, r"results\[-4\]"),
        ([True], IndexError, r"results\[1 booleans\]: expected one for each of the 3 instances"),
        (0.5, TypeError, "expected a number, a slice"),
        ([0.5], TypeError, r"results\[an array of float64\]"),
        ((0, 1), TypeError, r"results\[0, 1\]: .*several numbers go in a list"),
        (None, TypeError, r"results\[None\]: expected"),
        (..., TypeError, r"results\[Ellipsis\]: expected"),
        ({0: 1}, TypeError, "expected a number"),
        (np.zeros((3, 4), bool), TypeError, r"an array of shape \(3, 4\)"),
        ("stra", ValueError, "class 'stra': there is no such class; did you mean 'star'"),
        ("tree", ValueError, "the classes are cat, dog, star$"),
        (["dog", "tree"], ValueError, "class 'tree'"),
    ],
)
def test_what_chooses_nothing(results, index, error, message):
    with pytest.raises(error, match=message):
        results[index]


def test_classes_of_one_name_are_chosen_together():
    results, _ = make_results(class_names=("dog", "dog"))
    assert len(results["dog"]) == 3


def test_of_many_classes_the_first_are_named():
    results, _ = make_results(class_names=[f"class {i}" for i in range(30)])
    with pytest.raises(ValueError, match="the classes are class 0, class 1, .*9 and 20 more"):
        results["xyz"]


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        (0.5, "0.5"),
        (np.float32(0.5), r"np\.float32\(0\.5\)|0\.5"),
        (b"dog", "b'dog'"),
        ([0, [1, 2]], r"\[0, \[1, 2\]\]"),
        (object, "<class 'object'>"),
    ],
)
def test_a_wrong_index_is_shown(results, index, shown):
    with pytest.raises(TypeError, match=rf"^results\[({shown})\]: expected a number, a slice"):
        results[index]
