"""Benchmark of each switch against our implementation without it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from mmengine.dataset import pseudo_collate

from benchmarks.inference import predict, test_batches
from benchmarks.measure import Comparison, compare
from benchmarks.models import Context, build_pair
from benchmarks.pipeline import load_image, training_set
from benchmarks.training import make_optimizer, train_step
from condinst.models.optimize import optimize_for_inference
from condinst.models.speed import compile_networks, to_channels_last


def run(context: Context) -> Iterator[Comparison]:
    """Measure prediction on real images with masks as RLE, then training steps of two images."""
    half = "bfloat16" if context.device == "cpu" else "float16"
    plain = build_pair(context.device)[1].eval()
    plain.test_cfg = dict(plain.test_cfg, mask_format="rle")
    one = test_batches(context)[0]
    four = {key: value * 4 for key, value in one.items()}
    off: dict[str, Any] = dict(channels_last=False, fold_norms=False)
    both = dict(channels_last=True, fold_norms=True)
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
        "--channels-last": (off, {**off, "channels_last": True}, one),
        "--fold-norms": (off, {**off, "fold_norms": True}, one),
        f"--amp {half}, beside the two": (both, {**both, "dtype": half}, one),
        "--compile, beside the two": (both, {**both, "compile": True}, one),
        "--batch-size 4, beside the two": (both, both, four),
    }
    for name, (without, switched, batch) in cases.items():
        models = [optimize_for_inference(copy.deepcopy(plain), **x) for x in (without, switched)]
        before = _repeat(partial(predict, models[0], one), 4 if batch is four else 1)
        after = partial(predict, models[1], batch)
        yield _compare(context, f"testing: {name}", before, after)
    yield from _compare_training(context)


def _repeat(function: Callable[[], object], times: int) -> Callable[[], list]:
    return lambda: [function() for _ in range(times)]


def _compare(
    context: Context, name: str, before: Callable[[], object], after: Callable[[], object]
) -> Comparison:
    with torch.no_grad() if name.startswith("testing") else torch.enable_grad():
        return compare(
            name,
            before,
            after,
            rounds=max(context.rounds // 3, 3),
            warmup=2,
            against="ours without",
            device=context.device,
        )


def _compare_training(context: Context) -> Iterator[Comparison]:
    half = "bfloat16" if context.device == "cpu" else "float16"
    data = training_set(context.root, "condinst")
    batch = pseudo_collate([load_image(data, i) for i in range(2)])
    plain = build_pair(context.device)[1]
    last = copy.deepcopy(plain)
    to_channels_last(last)
    compiled = copy.deepcopy(last)
    compile_networks(compiled)

    def step(model: Any, mixed: bool = False) -> Callable[[], None]:
        optimizer = make_optimizer(model)
        return partial(train_step, model, batch, context.device, optimizer, mixed=mixed)

    beside = "beside --channels-last"
    mixed = step(last, mixed=True)
    yield _compare(context, "training: --channels-last", step(plain), step(last))
    yield _compare(context, f"training: --amp {half}, {beside}", step(last), mixed)
    yield _compare(context, f"training: --compile, {beside}", step(last), step(compiled))
