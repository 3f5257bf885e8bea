"""Resume a training at the exact position in the data, without loading what came before.

Upstream bugs (mmengine 0.10.7):

- ``IterBasedTrainLoop`` loads and drops every batch that was trained before, images included, which
  takes an hour late in a COCO schedule; the rest is exact only with the same number of workers.
- ``EpochBasedTrainLoop`` restarts an epoch if the checkpoint was written in the middle of it.
- No checkpoint holds the state of the random generators that the model draws from.

Here the sampler is advanced, and no image is loaded. The random numbers of a sample depend on
(seed, rank, iteration, position in the batch), the model's on (seed, iteration). Delete when
mmengine does the same.

Transforms that keep a state from sample to sample cannot be exact: those with a cache
(``CachedMosaic``, ``CachedMixUp``) and those with a random generator of their own.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader

from condinst.compat.batches import MODEL, BatchPlan, planned_batches
from condinst.compat.random_state import seed_all


def apply(upstream: str) -> None:
    """Replace methods of the two training loops, and thus of the classes that derive from them."""
    loops: Any = importlib.import_module("mmengine.runner.loops")
    if not hasattr(loops._InfiniteDataloaderIterator, "begin"):
        loops._InfiniteDataloaderIterator = _lazy(loops._InfiniteDataloaderIterator)
        for loop in (loops.IterBasedTrainLoop, loops.EpochBasedTrainLoop):
            _wrap(loop, "__init__", _init)
        _wrap(loops.IterBasedTrainLoop, "run", _run_iterations)
        _wrap(loops.IterBasedTrainLoop, "run_iter", _run_iter)
        _wrap(loops.EpochBasedTrainLoop, "run", _run_epochs)
        _wrap(loops.EpochBasedTrainLoop, "run_epoch", _run_epoch)
        _wrap(loops.EpochBasedTrainLoop, "run_iter", _run_iter_of_epoch)


def _wrap(loop: type, name: str, function: Callable[..., Any]) -> None:
    """Replace a method; the function gets the original method, then the loop."""
    original = getattr(loop, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(original, self, *args, **kwargs)

    setattr(loop, name, method)


def _lazy(base: Any) -> Any:
    """Derive an iterator from mmengine's that starts no worker before the first batch is asked for.

    Only then is it known where a resumed training begins.
    """

    class DataIterator(base):
        def __init__(self, dataloader: DataLoader) -> None:
            self._dataloader, self._epoch, self._unread = dataloader, 0, 0
            self._iterator: Any = None

        def begin(self, plan: BatchPlan) -> None:
            """Follow a plan; the batches that it skips come as None, without loading anything."""
            batches = planned_batches(self._dataloader)
            if batches is not None:
                batches.begin(plan)
                self._iterator, self._unread = None, plan.skip

        def __next__(self) -> Any:
            if self._unread > 0:
                self._unread -= 1
                return None
            if self._iterator is None:
                self._iterator = iter(self._dataloader)
            return super().__next__()

    return DataIterator


def _init(original: Callable[..., None], loop: Any, *args: Any, **kwargs: Any) -> None:
    original(loop, *args, **kwargs)
    loop._seed_of_data = _seed(loop)
    loop._first_batch = 0


def _seed(loop: Any) -> int:
    return int(getattr(loop.runner, "seed", None) or 0)


def _fix_seed(loop: Any) -> None:
    """Give the sampler the seed of the resumed run, which mmengine reads after building it.

    ``condinst train`` sets the seed before that; mmdet's tools do not.
    """
    batches = planned_batches(loop.dataloader)
    sampler = getattr(batches, "sampler", None)
    if getattr(sampler, "seed", None) == loop._seed_of_data:
        sampler.seed = _seed(loop)  # type: ignore[union-attr]


def _run_iterations(original: Callable[..., Any], loop: Any) -> Any:
    _fix_seed(loop)
    if hasattr(loop.dataloader_iterator, "begin"):
        plan = BatchPlan(_seed(loop), loop.iter, skip=loop.iter, endless=True)
        loop.dataloader_iterator.begin(plan)
    return original(loop)


def _run_iter(original: Callable[..., Any], loop: Any, *args: Any, **kwargs: Any) -> Any:
    seed_all(_seed(loop), MODEL, loop.iter)
    return original(loop, *args, **kwargs)


def _run_epochs(original: Callable[..., Any], loop: Any) -> Any:
    _fix_seed(loop)
    loop._first_batch = _batches_of_begun_epoch(loop)
    return original(loop)


def _batches_of_begun_epoch(loop: Any) -> int:
    """Return how many batches of the current epoch a resumed training has seen."""
    seen = loop.iter - loop.epoch * len(loop.dataloader)
    if loop.iter == 0 or planned_batches(loop.dataloader) is None:
        return 0
    # the message hub comes from the checkpoint, and holds the length of its epochs
    hub = loop.runner.message_hub.runtime_info
    length = hub.get("max_iters", 0) / hub.get("max_epochs", 1)
    if length != len(loop.dataloader):
        loop.runner.logger.warning(
            f"an epoch had {length:g} batches in the resumed run, and has "
            f"{len(loop.dataloader)} now: epoch {loop.epoch + 1} begins with its first batch"
        )
        return 0
    return min(max(seen, 0), len(loop.dataloader))


def _run_epoch(original: Callable[..., Any], loop: Any) -> Any:
    batches = planned_batches(loop.dataloader)
    if batches is not None:
        batches.begin(BatchPlan(_seed(loop), loop.iter, skip=loop._first_batch, epoch=loop.epoch))
    try:
        return original(loop)
    finally:
        loop._first_batch = 0


def _run_iter_of_epoch(
    original: Callable[..., Any], loop: Any, idx: int, *args: Any, **kwargs: Any
) -> Any:
    return _run_iter(original, loop, idx + loop._first_batch, *args, **kwargs)
