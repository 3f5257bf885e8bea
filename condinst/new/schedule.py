"""Choose batch size, learning rate, length, and class balance of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from condinst.new.facts import DataFacts
from condinst.new.input_sizes import Views
from condinst.new.models import Recipe
from condinst.new.resources import Machine

_MEMORY_FRACTION = 0.85  # of the memory, for training
# On a CPU time is the limit and not memory: so many megapixels per iteration take some seconds on
# two processors.
_CPU_MEGAPIXELS = 1.2
# start -> (views of each image, least iterations); training from scratch takes longer (He et al.,
# Rethinking ImageNet Pre-training, 2019)
_VIEWS = {"coco": (36, 1500), "imagenet": (72, 3000), "scratch": (120, 5000)}
_CPU_VIEWS = (24, 600)
_MOST = {"cuda": 90000, "cpu": 1600}


@dataclass(frozen=True)
class Schedule:
    """The schedule of one training.

    Attributes:
        batch_size: images per iteration.
        lr: learning rate.
        base_lr: learning rate of the base config.
        base_batch_size: batch size that ``base_lr`` is meant for.
        adam: whether the optimizer is AdamW; else SGD.
        max_iters: number of iterations.
        val_interval: iterations between validations and checkpoints; divides ``max_iters``.
        warmup: iterations in which the learning rate rises.
        views: how often each image is seen.
        why_batch: reason for the batch size, for a comment in the config.
    """

    batch_size: int
    lr: float
    base_lr: float
    base_batch_size: int
    adam: bool
    max_iters: int
    val_interval: int
    warmup: int
    views: float
    why_batch: str


def memory_megapixels(machine: Machine, recipe: Recipe) -> float:
    """Return the number of megapixels that fit into memory in a training step.

    Raises:
        ValueError: not even a small image fits.
    """
    left = machine.memory * _MEMORY_FRACTION - recipe.gib_fixed
    if left < 0.1 * recipe.gib_per_megapixel:
        raise ValueError(
            f"--memory: {machine.memory:.1f} GiB are too few to train {recipe.name}; expected "
            f"{(recipe.gib_fixed + 0.1 * recipe.gib_per_megapixel) / _MEMORY_FRACTION:.1f} GiB or "
            "more"
        )
    return left / recipe.gib_per_megapixel


def choose_schedule(
    facts: DataFacts, views: Views, machine: Machine, recipe: Recipe, base: Any, start: str
) -> Schedule:
    """Choose the batch by the memory, the learning rate by the batch, the length by the data.

    Args:
        facts: facts on the dataset.
        views: image sizes of the pipelines.
        machine: the device that will train.
        recipe: the model.
        base: the loaded config that the new one inherits from.
        start: the initial weights: "coco", "imagenet" or "scratch".
    """
    fits = int(memory_megapixels(machine, recipe) / views.megapixels)
    most = 16
    if machine.device == "cpu":
        most = min(max(2, int(_CPU_MEGAPIXELS / views.megapixels)), 8)
    batch_size = 2 ** int(math.log2(max(1, min(fits, most, facts.num_train))))
    why = f"{batch_size} x {views.megapixels:.2g} megapixels: "
    if machine.device == "cpu":
        why += f"seconds per iteration on {machine.name}"
    else:
        why += f"fit into {machine.name}"
    optimizer = base.optim_wrapper.optimizer
    # the rate of an RTMDet-Ins' base is for weights that are good already
    base_lr = optimizer.lr * (2 if recipe.rtmdet and start == "scratch" else 1)
    base_batch = base.auto_scale_lr.base_batch_size
    per_image, least = _CPU_VIEWS if machine.device == "cpu" else _VIEWS[start]
    wanted = per_image * facts.num_train / batch_size
    wanted = min(max(wanted, least), _MOST[machine.device])
    validations = 4 if machine.device == "cpu" else 8
    interval = max(50, round(wanted / validations / 50) * 50)
    max_iters = interval * validations
    return Schedule(
        batch_size=batch_size,
        lr=float(f"{base_lr * batch_size / base_batch:.3g}"),
        base_lr=base_lr,
        base_batch_size=base_batch,
        adam=optimizer.type == "AdamW",
        max_iters=max_iters,
        val_interval=interval,
        warmup=min(500, max_iters // 10),
        views=max_iters * batch_size / facts.num_train,
        why_batch=why,
    )


@dataclass(frozen=True)
class Balance:
    """Class-balanced sampling (Gupta et al., LVIS, 2019, Section 3).

    Attributes:
        threshold: fraction of the images; a class in fewer images is drawn more often.
        rarest: name of the rarest class.
        images: number of images with this class.
        repeats: how often such an image occurs in one epoch.
    """

    threshold: float
    rarest: str
    images: int
    repeats: int


def choose_balance(facts: DataFacts) -> Balance | None:
    """Balance classes if one is in ten times fewer images than another; else return None."""
    counts = {n: c for n, c in zip(facts.classes, facts.images_per_class, strict=True) if c}
    rarest = min(counts, key=lambda name: counts[name])
    if max(counts.values()) < 10 * counts[rarest]:
        return None
    fractions = sorted(count / facts.num_train for count in counts.values())
    least = fractions[0]
    # at most the median class, and at most 4 repeats: sqrt(16 * least / least)
    threshold = float(f"{min(fractions[len(fractions) // 2], 16 * least):.2g}")
    repeats = math.ceil(math.sqrt(threshold / least))
    return Balance(threshold, rarest, counts[rarest], repeats) if repeats > 1 else None


def choose_max_per_img(facts: DataFacts) -> int:
    """Return a third more than the objects of the busiest image, at least COCO's 100."""
    return max(100, math.ceil(facts.busiest * 4 / 3 / 50) * 50)
