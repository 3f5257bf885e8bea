"""The tables and the chart of small_data.py."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning import Spread
from benchmarks.run_tables import (
    SPREAD_COLUMNS,
    conditions,
    new_figure,
    save_figure,
    spread_cells,
    table,
    write_page,
)
from benchmarks.small_data_recipes import RECIPES

__all__ = ["as_markdown", "gains", "write_report"]

Records = Sequence[Mapping[str, Any]]


def write_report(records: Records, path: Path) -> list[Path]:
    """Write the tables and the chart beside the file of results; return their paths.

    Args:
        records: the results of one budget.
        path: the file of results.
    """
    if not records:
        print(f"{path}: there is no result of these settings yet")
        return []
    paths = write_page(
        path,
        "Recipes for small data",
        as_markdown(records),
        "Mask AP minus that of the baseline",
    )
    _draw(_by_recipe(records), paths[1])
    return paths


def _by_recipe(records: Records) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return the results by dataset (and config) and recipe, in the order of the recipes."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for record in sorted(records, key=lambda r: (_rank(r["recipe"]), r["seed"])):
        title = f"{record['dataset']}, {record['config']}"
        found.setdefault(title, {}).setdefault(record["recipe"], []).append(record)
    return dict(sorted(found.items()))


def _rank(name: str) -> int:
    return [*RECIPES, "all"].index(name) if name in RECIPES or name == "all" else len(RECIPES) + 1


def gains(baseline: Records, others: Records) -> list[float]:
    """Return the mask AP of a recipe minus that of the baseline, of each seed that both have."""
    base = {record["seed"]: record["mask_ap"] for record in baseline}
    return [r["mask_ap"] - base[r["seed"]] for r in others if r["seed"] in base]


def as_markdown(records: Records) -> str:
    """Return one table for each dataset, and the conditions of the runs."""
    lines: list[str] = []
    columns = ["recipe", *SPREAD_COLUMNS, "minus baseline", "iterations", "CPU minutes"]
    for title, recipes in _by_recipe(records).items():
        baseline = recipes.get("baseline", [])
        rows = []
        for name, found in recipes.items():
            iterations = sorted({str(record["iterations"]) for record in found}, key=int)
            minutes = statistics.fmean(record["cpu_minutes"] for record in found)
            rows.append(
                [
                    _label(name, found[0]),
                    *spread_cells([record["mask_ap"] for record in found]),
                    "" if name == "baseline" else _gain(gains(baseline, found)),
                    ", ".join(iterations),
                    f"{minutes:.1f}",
                ]
            )
        lines += [f"### {title}", "", *table(columns, rows), ""]
    one = records[0]
    options = f" Options: {' '.join(one['options'])}." if one["options"] else ""
    lines.append(
        f"Each training has {one['budget']}, but for those of which the table says so. "
        f'"Minus baseline" is taken seed by seed: mean, and standard deviation. '
        f"{conditions(records)}.{options}"
    )
    return "\n".join(lines) + "\n"


def _label(name: str, record: Mapping[str, Any]) -> str:
    if name in RECIPES:
        return RECIPES[name].title
    return f"{'all together' if name == 'all' else 'together'}: {', '.join(record['parts'])}"


def _gain(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = Spread.of(values)
    return f"{spread.mean:+.3f}" + ("" if spread.std is None else f" ({spread.std:.3f})")


def _draw(found: Mapping[str, Mapping[str, Records]], path: Path) -> None:
    """Draw the gain of each recipe over the baseline: a bar for the mean, a mark for each seed."""
    names = [n for n in dict.fromkeys(n for one in found.values() for n in one) if n != "baseline"]
    names.sort(key=_rank)
    figure = new_figure(2.5 + 3 * len(found), 1.4 + 0.32 * len(names))
    panels: Any = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (title, recipes) in zip(panels, found.items(), strict=True):
        for place, name in enumerate(names):
            values = gains(recipes.get("baseline", []), recipes.get(name, []))
            if values:
                axes.barh(place, statistics.fmean(values), color="#4c78a8", alpha=0.6)
                axes.plot(values, [place] * len(values), "o", color="#333333", markersize=4)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_title(title.partition(",")[0], fontsize=9)
        axes.set_xlabel("mask AP minus baseline")
        axes.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    save_figure(figure, path)
