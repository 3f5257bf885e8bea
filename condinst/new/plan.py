"""Everything that a new config says, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from condinst.new.facts import DataFacts
from condinst.new.models import Recipe
from condinst.new.resources import Machine
from condinst.new.schedule import (
    Balance,
    Schedule,
    choose_balance,
    choose_max_per_img,
    choose_schedule,
    memory_megapixels,
)
from condinst.new.views import Views, choose_views


@dataclass(frozen=True)
class Places:
    """Where the data are, as the config writes it.

    Attributes:
        root: folder, with its last slash.
        ann_files: of training and validation, relative to ``root`` or beside the config.
        img_dirs: relative to ``root``, with their last slash.
    """

    root: str
    ann_files: tuple[str, str]
    img_dirs: tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """The choices, and what they follow from.

    Attributes:
        start: what training starts from: "coco", "imagenet" or "scratch".
        base: the config that the new one inherits from, read.
        statistics: mean and standard deviation of each channel; None where the base's will do.
        asked: whether the model was asked for by name.
        num_workers: that load training images; 0 for as many as the base has.
    """

    name: str
    places: Places
    facts: DataFacts
    machine: Machine
    recipe: Recipe
    start: str
    base: Any
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None
    asked: bool
    views: Views
    schedule: Schedule
    balance: Balance | None
    max_per_img: int
    num_workers: int


def make_plan(
    name: str,
    places: Places,
    facts: DataFacts,
    machine: Machine,
    recipe: Recipe,
    *,
    from_scratch: bool,
    asked: bool,
) -> Plan:
    """Choose everything.

    Raises:
        ValueError: the machine has too little memory.
    """
    from mmengine.config import Config

    from condinst.compat.base_configs import shipped_config

    base = Config.fromfile(shipped_config(recipe.base))
    start = "scratch" if from_scratch else "coco" if recipe.zoo else "imagenet"
    views = choose_views(facts, machine.device, memory_megapixels(machine, recipe))
    return Plan(
        name=name,
        places=places,
        facts=facts,
        machine=machine,
        recipe=recipe,
        start=start,
        base=base,
        statistics=_statistics(facts),
        asked=asked,
        views=views,
        schedule=choose_schedule(facts, views, machine, recipe, base, start),
        balance=choose_balance(facts),
        max_per_img=choose_max_per_img(facts),
        num_workers=min(8, machine.processors) if machine.device == "cuda" else 0,
    )


def _statistics(facts: DataFacts) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    pixels = facts.inputs.pixels
    if pixels.is_rgb8:
        return None
    from condinst.datasets.image_statistics import channel_mean_std

    paths = list(facts.img_paths)
    return channel_mean_std(paths, channels=pixels.channels, dtype=pixels.dtype)
