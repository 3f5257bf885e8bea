"""Choose all settings of a new config, before they are written as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from condinst.new.facts import DataFacts
from condinst.new.input_sizes import Views, choose_views
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


@dataclass(frozen=True)
class Places:
    """The paths of the data as the config states them.

    Attributes:
        root: the common folder, with a slash at the end.
        ann_files: annotation files of training, validation and, if there is one, the test split,
            relative to ``root`` or to the config.
        img_dirs: their image folders, relative to ``root``, with a slash at the end.
    """

    root: str
    ann_files: tuple[str, ...]
    img_dirs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The settings of a config and the facts they are based on.

    Attributes:
        name: name of the config.
        places: paths of the data.
        facts: facts on the dataset.
        machine: the device that will train.
        recipe: the model.
        start: the initial weights: "coco", "imagenet" or "scratch".
        base: the loaded config that the new one inherits from.
        statistics: mean and standard deviation of each channel; None keeps the base's.
        views: image sizes of the pipelines.
        schedule: batch, learning rate and length.
        balance: class-balanced sampling; None without it.
        max_per_img: largest number of detections per image.
        num_workers: workers that load training images; 0 keeps the base's number.
    """

    name: str
    places: Places
    facts: DataFacts
    machine: Machine
    recipe: Recipe
    start: str
    base: Any
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None
    views: Views
    schedule: Schedule
    balance: Balance | None
    max_per_img: int
    num_workers: int

    @property
    def mixed(self) -> bool:
        """Whether the model learns some objects from masks and others from boxes."""
        return self.facts.mixed[0] and not self.recipe.boxes


def make_plan(
    name: str,
    places: Places,
    facts: DataFacts,
    machine: Machine,
    recipe: Recipe,
    *,
    from_scratch: bool,
) -> Plan:
    """Choose all settings.

    Raises:
        ValueError: the machine has too little memory.
    """
    from condinst.compat.base_configs import shipped_config
    from condinst.config.read import read_config_file

    base = read_config_file(shipped_config(recipe.base))
    start = (
        "scratch" if from_scratch or recipe.unreachable else "coco" if recipe.zoo else "imagenet"
    )
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
