"""Choose the samples of each training batch, and the random seed of each sample.

Both depend only on the run's seed and the iteration, not on what was loaded before or by which
worker. A training can therefore resume at any iteration without loading the samples before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mmengine.dist import get_rank
from torch.utils.data import DataLoader

from condinst.compat.random_state import Stream, seed_cpu

# The second number of a seed's key: what its random numbers are for.
SAMPLE, ORDER, MODEL = range(3)

_loading: list[int] = []  # the iteration of the batch that is being loaded, in this process

# mmdet's samplers that read the size of every sample, and nothing else of it
_READ_SIZES = ("AspectRatioBatchSampler", "MultiDataAspectRatioBatchSampler")


class Batch:
    """Indices of a batch; iterating over them seeds the generators for each sample in turn.

    The last number of the key is the iteration.

    The loader's fetcher iterates, in a data worker or, without workers, in the main process. Random
    numbers that are drawn during collation follow from the seed of the last sample.
    """

    def __init__(self, indices: Sequence[Any], key: tuple[int, ...]) -> None:
        self.indices, self.key = list(indices), key

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Any:
        return self.indices[position]

    def __iter__(self) -> Iterator[Any]:
        _loading[:] = self.key[-1:]
        for position, index in enumerate(self.indices):
            seed_cpu(*self.key, position)
            yield index


def loading_iteration() -> int | None:
    """Return the iteration that the sample being loaded is for; None outside of a training."""
    return _loading[0] if _loading else None


@dataclass(frozen=True)
class BatchPlan:
    """The start of a pass through the data.

    Attributes:
        seed: seed of the run.
        iteration: iteration of the first batch that is yielded.
        skip: number of batches to leave out before it.
        epoch: number of passes through the data before this one.
        endless: whether another pass follows at the end of the data.
    """

    seed: int
    iteration: int
    skip: int = 0
    epoch: int = 0
    endless: bool = False


class Batches:
    """Wrap a loader's batch sampler, so that a pass can follow a :class:`BatchPlan`.

    A plan holds for one pass. Without one, the batches are the sampler's own. Attributes that this
    class does not have are the sampler's.
    """

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self._plan: BatchPlan | None = None

    def begin(self, plan: BatchPlan) -> None:
        """Make the next pass through the data follow a plan."""
        self._plan = plan

    def __len__(self) -> int:
        return len(self._sampler)

    def __getattr__(self, name: str) -> Any:
        if name == "_sampler":  # not set yet while the object is copied
            raise AttributeError(name)
        return getattr(self._sampler, name)

    def __iter__(self) -> Iterator[Any]:
        # a loader makes two iterators and uses the second, so the plan is taken at the first use
        plan, self._plan = self._plan, None
        if plan is None:
            yield from self._sampler
            return
        rank = get_rank()
        for iteration, indices in enumerate(self._follow(plan), plan.iteration):
            yield Batch(indices, (plan.seed, SAMPLE, rank, iteration))

    def _follow(self, plan: BatchPlan) -> Iterator[Sequence[Any]]:
        skip = plan.skip
        for epoch in itertools.count(plan.epoch):
            if epoch > plan.epoch:
                self._set_epoch(epoch)
            # some samplers draw from the global random generators
            stream = Stream(plan.seed, ORDER, epoch)
            with stream, _remembered_sizes(self._sampler):
                batches = iter(self._sampler)
                skipped = _advance(batches, skip)
            skip -= skipped
            count = skipped
            while True:
                with stream:
                    indices = next(batches, None)
                if indices is None:
                    break
                count += 1
                yield indices
            if not plan.endless or count == 0:
                return

    def _set_epoch(self, epoch: int) -> None:
        sampler: Any = getattr(self._sampler, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)


def planned_batches(loader: Iterable[Any]) -> Batches | None:
    """Return a loader's batches, which can be planned from now on; None if it has no batches."""
    if not isinstance(loader, DataLoader) or loader.batch_sampler is None:
        return None
    if not isinstance(loader.batch_sampler, Batches):
        # DataLoader.__setattr__ refuses a new sampler
        loader.__dict__["batch_sampler"] = Batches(loader.batch_sampler)
    return loader.batch_sampler  # type: ignore[return-value]


def _advance(iterator: Iterator[Any], count: int) -> int:
    """Drop items and return their number, smaller than ``count`` where the iterator ended."""
    return sum(1 for _ in itertools.islice(iterator, count))


@contextmanager
def _remembered_sizes(sampler: Any) -> Iterator[None]:
    """Make a sampler unpack the record of each sample once, not once per pass."""
    dataset: Any = getattr(getattr(sampler, "sampler", None), "dataset", None)
    if type(sampler).__name__ not in _READ_SIZES or "get_data_info" in vars(dataset):
        yield
        return
    read, sizes = dataset.get_data_info, {}

    def remember(index: int) -> dict[str, Any]:
        if index not in sizes:
            record = read(index)
            sizes[index] = {name: record[name] for name in ("width", "height")}
        return sizes[index]

    dataset.get_data_info = remember
    try:
        yield
    finally:
        del dataset.get_data_info
