"""How many images at a time, how often, and at which learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from condinst.new.facts import DataFacts
from condinst.new.models import Recipe
from condinst.new.resources import Machine
from condinst.new.views import Views

_SHARE = 0.85  # of the memory, which a training may take
# On a CPU memory is seldom what ends: so many megapixels an iteration take some seconds on two
# processors.
_CPU_MEGAPIXELS = 1.2
# By what training starts from: how often each image is seen, and the least iterations. From
# scratch it takes longer (He et al., Rethinking ImageNet Pre-training, 2019).
_VIEWS = {"coco": (36, 1500), "imagenet": (72, 3000), "scratch": (120, 5000)}
_CPU_VIEWS = (24, 600)
_MOST = {"cuda": 90000, "cpu": 1600}


@dataclass(frozen=True)
class Schedule:
    """One training.

    Attributes:
        batch_size: images of an iteration.
        lr: of the base config's optimizer.
        base_lr: the base config's rate.
        base_batch_size: that it is meant for.
        adam: whether the optimizer is AdamW; SGD otherwise.
        max_iters: iterations.
        val_interval: of validations and checkpoints; divides ``max_iters``.
        warmup: iterations in which the rate rises.
        views: how often each image is seen.
        why_batch: a phrase for the config.
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
    """Megapixels that a training step has memory for.

    Raises:
        ValueError: not even for a small image.
    """
    left = machine.memory * _SHARE - recipe.gib_fixed
    if left < 0.1 * recipe.gib_per_megapixel:
        raise ValueError(
            f"--memory: {machine.memory:.1f} GiB are too few to train {recipe.name}; expected "
            f"{(recipe.gib_fixed + 0.1 * recipe.gib_per_megapixel) / _SHARE:.1f} GiB or more"
        )
    return left / recipe.gib_per_megapixel


def choose_schedule(
    facts: DataFacts, views: Views, machine: Machine, recipe: Recipe, base: Any, start: str
) -> Schedule:
    """Fit the batch to the memory, the rate to the batch, the length to the data.

    Args:
        base: the config that the new one inherits from.
        start: "coco", "imagenet" or "scratch".
    """
    fits = int(memory_megapixels(machine, recipe) / views.megapixels)
    most = 16
    if machine.device == "cpu":
        most = min(max(2, int(_CPU_MEGAPIXELS / views.megapixels)), 8)
    batch_size = 2 ** int(math.log2(max(1, min(fits, most, facts.num_train))))
    why = f"{batch_size} x {views.megapixels:.2g} megapixels: "
    if machine.device == "cpu":
        why += f"seconds an iteration on {machine.name}"
    else:
        why += f"fit into {machine.name}"
    optimizer = base.optim_wrapper.optimizer
    base_batch = base.auto_scale_lr.base_batch_size
    per_image, least = _CPU_VIEWS if machine.device == "cpu" else _VIEWS[start]
    wanted = per_image * facts.num_train / batch_size
    wanted = min(max(wanted, least), _MOST[machine.device])
    validations = 4 if machine.device == "cpu" else 8
    interval = max(50, round(wanted / validations / 50) * 50)
    max_iters = interval * validations
    return Schedule(
        batch_size=batch_size,
        lr=float(f"{optimizer.lr * batch_size / base_batch:.3g}"),
        base_lr=optimizer.lr,
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
        threshold: share of the images below which a class is drawn more often.
        rarest: name of the rarest class.
        images: that it is in.
        repeats: how often such an image comes in one pass.
    """

    threshold: float
    rarest: str
    images: int
    repeats: int


def choose_balance(facts: DataFacts) -> Balance | None:
    """Balance where a class is in ten times fewer images than another; None elsewhere."""
    counts = {n: c for n, c in zip(facts.classes, facts.images_per_class, strict=True) if c}
    rarest = min(counts, key=lambda name: counts[name])
    if max(counts.values()) < 10 * counts[rarest]:
        return None
    shares = sorted(count / facts.num_train for count in counts.values())
    least = shares[0]
    # up to the middle class, and no image more than 4 times
    threshold = float(f"{min(shares[len(shares) // 2], 16 * least):.2g}")
    repeats = math.ceil(math.sqrt(threshold / least))
    return Balance(threshold, rarest, counts[rarest], repeats) if repeats > 1 else None


def choose_max_per_img(facts: DataFacts) -> int:
    """A third more than the busiest image has, at least COCO's 100."""
    return max(100, math.ceil(facts.busiest * 4 / 3 / 50) * 50)
