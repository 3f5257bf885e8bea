"""The trainings of small_data.py, and the order in which they run."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmengine.config import Config

from benchmarks.small_data_recipes import RECIPES, Refused, apply, parts_of

__all__ = ["Training", "plan", "possible"]

_ITERATIONS = 60  # of the configs that are tried

Chosen = Mapping[str, Mapping[str, Sequence[str]]]
"""By dataset and name of a recipe, its parts."""


@dataclass(frozen=True)
class Training:
    """One training, and what is measured with its weights.

    Attributes:
        dataset: name of the dataset.
        parts: recipes of the training, "baseline" alone for none.
        seed: of the training.
        measured: by name of a recipe, its parts: those of the training, and those that change the
            test alone.
    """

    dataset: str
    parts: tuple[str, ...]
    seed: int
    measured: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        return f"{self.dataset} {', '.join(self.measured)} seed {self.seed}"

    @property
    def recipe(self) -> str:
        """The recipes of the training as one word."""
        return "+".join(self.parts)


def possible(
    configs: Mapping[str, Config], names: Sequence[str] | None
) -> tuple[Chosen, list[str]]:
    """Return the recipes that each dataset's config allows, and why it refuses the others.

    Args:
        configs: by dataset.
        names: recipes, see :func:`~benchmarks.small_data_recipes.parts_of`; None for each alone and
            all together. Of "all", only what a config allows is kept.
    """
    names = names or ["baseline", "all", *(name for name in RECIPES if name != "baseline")]
    chosen: dict[str, dict[str, list[str]]] = {}
    refused: dict[str, str] = {}
    for dataset, cfg in configs.items():
        reasons = {}
        for part in dict.fromkeys(part for name in names for part in parts_of(name)):
            try:
                apply(copy.deepcopy(cfg), [part], _ITERATIONS)
            except Refused as error:
                reasons[part] = str(error)
        chosen[dataset] = {}
        for name in names:
            parts = parts_of(name)
            kept = [part for part in parts if part not in reasons]
            if kept == parts or (kept and name == "all"):
                chosen[dataset][name] = kept
            elif name != "all":
                wrong = (reasons[part] for part in parts if part in reasons)
                refused |= {f"{dataset}: {reason}": "" for reason in wrong}
    return chosen, list(refused)


def plan(chosen: Chosen, seeds: Sequence[int]) -> list[Training]:
    """Return the trainings, the most informative first: seed by seed, then recipe by recipe.

    Args:
        chosen: the recipes of each dataset.
        seeds: seeds of the trainings.
    """
    groups: dict[tuple[str, ...], dict[str, Training]] = {}
    for dataset, recipes in chosen.items():
        for name, parts in recipes.items():
            trained = tuple(part for part in parts if RECIPES[part].trains) or ("baseline",)
            # the parts of "all" differ between datasets, but run at the same time
            group = groups.setdefault(("all",) if name == "all" else trained, {})
            measured = (
                {**group[dataset].measured, name: parts} if dataset in group else {name: parts}
            )
            group[dataset] = Training(dataset, trained, 0, measured)
    return [
        Training(one.dataset, one.parts, seed, one.measured)
        for seed in dict.fromkeys(seeds)
        for group in groups.values()
        for one in group.values()
    ]
