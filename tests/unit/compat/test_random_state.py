"""Seeds of several words, and streams beside the generators of the process."""

import random

import numpy as np
import torch

from condinst.compat.random_state import Stream, seed_all, seed_cpu


def test_generators_are_seeded_by_every_word_of_a_key():
    def draw(*key):
        seed_cpu(*key)
        return random.random(), np.random.random(), torch.rand(()).item()

    keys = [(1,), (2,), (1, 0, 1), (1, 1, 0), (0, 1, 1), (2**40, 3)]
    drawn = [draw(*key) for key in keys]
    assert drawn == [draw(*key) for key in keys]
    assert len({number for numbers in drawn for number in numbers}) == 18


def test_a_stream_leaves_the_generators_alone():
    seed_all(5)
    expected = [random.random() for _ in range(2)], np.random.random(2).tolist(), torch.rand(2)
    seed_all(5)
    stream, drawn = Stream(8), []
    actual = [], [], []
    for _ in range(2):
        actual[0].append(random.random())
        actual[1].append(np.random.random())
        actual[2].append(torch.rand(()))
        with stream:
            drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
    assert actual[0] == expected[0]
    assert actual[1] == expected[1]
    assert torch.equal(torch.stack(actual[2]), expected[2])
    seed_cpu(8)  # the stream goes on, too
    assert drawn == [(random.random(), np.random.random(), torch.rand(()).item()) for _ in range(2)]
