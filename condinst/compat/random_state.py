"""Seed the process's random generators from a key, or set them aside for a while.

The transforms, samplers and models of mmcv and mmdet draw from these generators: Python's, NumPy's
and torch's global ones.
"""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch


def seed_cpu(*key: int) -> None:
    """Seed the generators of this process's CPU; equal keys of numbers >= 0 give equal streams."""
    words = np.random.SeedSequence(key).generate_state(6)
    random.seed(words[:2].tobytes())
    np.random.seed(words[2:4])
    torch.default_generator.manual_seed(int(words[4]))


def seed_all(*key: int) -> None:
    """Seed the generators of the CPU and of every accelerator."""
    seed_cpu(*key)
    torch.manual_seed(torch.default_generator.initial_seed())


class Stream:
    """A separate stream of random numbers, from which the generators draw inside ``with``.

    After the block, they continue as if nothing had been drawn in it.
    """

    def __init__(self, *key: int) -> None:
        outside = _states()
        seed_cpu(*key)
        self._inside = _states()
        _restore(outside)

    def __enter__(self) -> None:
        self._outside = _states()
        _restore(self._inside)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._inside = _states()
        _restore(self._outside)


def _states() -> tuple[Any, Any, torch.Tensor]:
    return random.getstate(), np.random.get_state(), torch.default_generator.get_state()


def _restore(states: tuple[Any, Any, torch.Tensor]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.default_generator.set_state(states[2])
