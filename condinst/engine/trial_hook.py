"""Try the evaluation before a run begins: what fails at its end costs hours.

The checks of the config and of the data cannot judge everything that meets for the first time in a
validation: the metrics, what the pipeline packs for them, the names of their numbers, and the hooks
that read these names.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmdet.evaluation import MultiDatasetsEvaluator
from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook
from mmengine.runner import BaseLoop, Runner
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from condinst.compat.random_state import Stream
from condinst.config.model_section import is_ours
from condinst.config.problem import ConfigError, wrong
from condinst.config.read import one_line
from condinst.utils.files import check_writable

__all__ = ["TrialHook"]

_PACKAGES = ("condinst", "mmdet", "mmengine")  # another's metric may need more than one image
_FILES = ("outfile_prefix", "out_file_path", "predictions_file")
_PACKED = ("img_id", "img_shape", "ori_shape")


class TrialHook(Hook):
    """Evaluate a made-up detection on the first image before a training or a test begins.

    The commands register it. It tries the metrics of condinst, mmdet and mmengine with our
    detectors, and leaves neither files, nor log lines, nor a trace in the random numbers.

    Args:
        split: "val" before a training, "test" before a test.

    Raises:
        ValueError: from ``before_run``; one line with the config key.
    """

    def __init__(self, split: str) -> None:
        self.split = split

    def before_run(self, runner: Runner) -> None:
        loop = getattr(runner, f"_{self.split}_loop")
        evaluator = getattr(loop, "evaluator", None)
        if not isinstance(loop, BaseLoop) or not is_ours(runner.cfg):
            return
        joined = "cumulative_sizes" in (getattr(evaluator, "dataset_meta", None) or {})
        if isinstance(evaluator, MultiDatasetsEvaluator) and not joined:
            raise ConfigError(
                f"{self.split}_evaluator.type='MultiDatasetsEvaluator': expected "
                f"{self.split}_dataloader.dataset of type ConcatDataset, which it takes apart"
            )
        if type(evaluator) is not Evaluator:
            return
        if not len(loop.dataloader):
            raise ConfigError(
                f"{self.split}_dataloader: no batch of {len(loop.dataloader.dataset)} images: "
                "expected drop_last=False, or a smaller batch_size"
            )
        with Stream(0), _silent():
            sample = self._sample(runner.cfg, loop.dataloader.dataset)
            names = self._names(evaluator, sample) if sample is not None else None
        if names and self.split == "val":
            _check_monitors(runner, names)

    def _sample(self, cfg: Any, dataset: Any) -> Any:
        """Return the first image's data sample with a detection; None for data of another kind."""
        key = f"{self.split}_dataloader"
        try:
            packed = dataset[0]
        except Exception as error:  # the classes of a config may raise anything
            raise ConfigError(f"{key}.dataset: {_words(error)}") from error
        sample: Any = packed.get("data_samples") if isinstance(packed, dict) else None
        if isinstance(sample, list | tuple) and sample:  # views of test-time augmentation
            sample = sample[0]
        if not hasattr(sample, "metainfo"):
            return None
        missing = [name for name in _PACKED if name not in sample.metainfo]
        if missing:
            raise ConfigError(
                f"{key}.dataset.pipeline: meta_keys of PackDetInputs: expected "
                f"{', '.join(map(repr, _PACKED))}, without {', '.join(map(repr, missing))} nothing "
                "can be evaluated"
            )
        sample = copy.copy(sample)
        rle = (cfg.model.get("test_cfg") or {}).get("mask_format") == "rle"
        sample.pred_instances = _detection(sample.ori_shape[:2], rle)
        return sample

    def _names(self, evaluator: Evaluator, sample: Any) -> list[str] | None:
        """Return the names of all numbers; None if a metric cannot be tried."""
        names: dict[str, str] = {}
        several, known = len(evaluator.metrics) > 1, True
        for index, metric in enumerate(evaluator.metrics):
            key = f"{self.split}_evaluator" + (f"[{index}]" if several else "")
            if type(metric).__module__.partition(".")[0] not in _PACKAGES:
                known = False
                continue
            with _set_aside(metric, key):
                try:
                    metric.process({"data_samples": [sample]}, [sample.to_dict()])
                    found = metric.evaluate(1)
                except Exception as error:  # a metric may raise anything
                    kind = type(metric).__name__
                    raise ConfigError(
                        f"{key} ({kind}): {_words(error)}; expected a metric of boxes and masks "
                        f"for the images of {self.split}_dataloader, such as CocoMetric"
                        if not isinstance(error, ValueError)
                        else f"{key}: {_words(error)}"
                    ) from error
            for name in found or ():
                if name in names:
                    raise ConfigError(
                        f"{key}: its number {name} is one of {names[name]} too: expected another "
                        "prefix, such as prefix='other'"
                    )
                names[name] = key
        return list(names) if known else None


def _detection(size: tuple[int, int], rle: bool) -> InstanceData:
    """Return one detection of the first class, a box at the image's corner."""
    height, width = size
    right, bottom = min(8, width), min(8, height)
    corners = [0, 0, right, 0, right, bottom, 0, bottom]
    masks: Any = coco_mask.frPyObjects([corners], height, width)
    if not rle:
        masks = torch.from_numpy(coco_mask.decode(masks).transpose(2, 0, 1).astype(bool))
    return InstanceData(
        bboxes=torch.tensor([[0.0, 0.0, right, bottom]]),
        scores=torch.tensor([0.5]),
        labels=torch.tensor([0]),
        masks=masks,
    )


def _words(error: Exception) -> str:
    clear = isinstance(error, ValueError | OSError)
    return " ".join(str(error).split()) if clear and str(error) else one_line(error)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        # mmdet's metrics print
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _set_aside(metric: Any, key: str) -> Iterator[None]:
    """Keep what a metric knows, and let it write into a folder that is removed.

    Raises:
        ValueError: its own files cannot be written.
    """
    before = dict(vars(metric))
    with tempfile.TemporaryDirectory() as folder:
        for name in _FILES:
            place = before.get(name)
            if place is None:
                continue
            if name != "predictions_file":  # of our hook, which only warns
                check_writable(f"{key}.{name}", Path(place).parent)
            setattr(metric, name, str(Path(folder) / Path(place).name))
        try:
            yield
        finally:  # CocoMetric(ann_file=None) has made its annotations of this image
            lasting = {name: vars(metric)[name] for name in before.get("lasting", ())}
            vars(metric).clear()
            vars(metric).update(before | lasting)
            metric.results.clear()


def _check_monitors(runner: Runner, names: list[str]) -> None:
    for key, name in _monitors(runner):
        if name not in names:
            raise ConfigError(wrong(key, name, f"one of {', '.join(names)}"))


def _monitors(runner: Runner) -> Iterator[tuple[str, str]]:
    """Yield (config key, name) of each number that a hook or a schedule reads."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best:
            for name in hook.key_indicators:
                if name != "auto":
                    yield "default_hooks.checkpoint.save_best", name
        if isinstance(hook, EarlyStoppingHook):
            yield f"custom_hooks ({type(hook).__name__}): monitor", hook.monitor
    schedulers = runner.param_schedulers or []
    groups = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
    for scheduler in (one for group in groups for one in group):
        if getattr(scheduler, "need_val_args", False):
            yield f"param_scheduler ({type(scheduler).__name__}): monitor", scheduler.monitor
