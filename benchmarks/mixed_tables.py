"""The table and the chart of mixed_labels.py."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.run_tables import (
    SPREAD_COLUMNS,
    conditions,
    new_figure,
    save_figure,
    spread_cells,
    table,
    write_page,
)

__all__ = ["as_markdown", "write_report"]

_BAR = 95  # percent of the mask AP of all masks, which 20% of the masks shall reach
_TARGET_SHARE = 20
_LABELS = {
    "mixed": "masks on {share}% of the images, boxes on the others",
    "masks": "masks on {share}% of the images, without the others",
    "boxes": "boxes alone",
    "averaged": "boxes alone, averaged weights and stronger colors",
    "teacher": "boxes alone, BoxTeacher: the same with the masks of a teacher",
}

Values = dict[tuple[str, int], list[float]]


def write_report(records: Sequence[Mapping[str, Any]], path: Path) -> list[Path]:
    """Write the table and the chart beside the file of results; return their paths.

    Args:
        records: the results of one curve.
        path: the file of results.
    """
    if not records:
        print(f"{path}: there is no result of these settings yet")
        return []
    paths = write_page(
        path,
        "Masks for a share of the images",
        as_markdown(records),
        "Mask AP over the share of images with masks",
    )
    _draw(_by_kind(records), paths[1])
    return paths


def _by_kind(records: Sequence[Mapping[str, Any]]) -> Values:
    found: Values = {}
    for record in records:
        found.setdefault((record["kind"], record["share"]), []).append(record["mask_ap"])
    return dict(sorted(found.items(), key=lambda item: (-item[0][1], item[0][0] == "masks")))


def as_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table, the targets and the conditions of the runs."""
    values = _by_kind(records)
    whole = values.get(("masks", 100))
    best = statistics.fmean(whole) if whole else None
    rows = []
    for (kind, share), found in values.items():
        mine = [r for r in records if (r["kind"], r["share"]) == (kind, share)]
        label = "masks on all images" if share == 100 else _LABELS[kind].format(share=share)
        part = f"{100 * statistics.fmean(found) / best:.1f}%" if best else ""
        boxes = statistics.fmean(r["box_ap"] for r in mine)
        minutes = statistics.fmean(r["cpu_minutes"] for r in mine)
        rows.append([label, *spread_cells(found), part, f"{boxes:.3f}", f"{minutes:.1f}"])
    columns = ["learned from", *SPREAD_COLUMNS, "of all masks", "box AP", "CPU minutes"]
    lines = table(columns, rows)
    targets = [*_targets(values), *_teacher(values)]
    lines += [""] * bool(targets) + targets
    one = records[0]
    options = f", {' '.join(one['options'])}" if one["options"] else ""
    lines += [
        "",
        f"Each training has {one['iterations']} iterations{options}; masks are learned at every "
        f"{one['stride']} pixels. {conditions(records)}.",
    ]
    return "\n".join(lines) + "\n"


def _targets(values: Values) -> list[str]:
    """Return a line for each target whose runs exist."""
    mixed = values.get(("mixed", _TARGET_SHARE))
    if not mixed:
        return []
    mean = statistics.fmean(mixed)
    lines = []
    whole = values.get(("masks", 100))
    if whole:
        part = 100 * mean / statistics.fmean(whole)
        lines.append(
            f"- Masks on {_TARGET_SHARE}% of the images reach {part:.1f}% of the mask AP of all "
            f"masks; the target is {_BAR}%: {_verdict(part >= _BAR)}."
        )
    for key, name in ((("masks", _TARGET_SHARE), "the same masks alone"), (("boxes", 0), "boxes")):
        other = values.get(key)
        if other:
            gap = mean - statistics.fmean(other)
            lines.append(
                f"- Against {name}: {gap:+.3f}; the target is above 0: {_verdict(gap > 0)}."
            )
    return lines


def _teacher(values: Values) -> list[str]:
    """Return a line for each run that BoxTeacher is compared with."""
    taught = values.get(("teacher", 0))
    names = {"boxes": "boxes alone", "averaged": "averaged weights and stronger colors alone"}
    return [
        f"- BoxTeacher against {name}: {statistics.fmean(taught) - statistics.fmean(other):+.3f}."
        for kind, name in names.items()
        if taught and (other := values.get((kind, 0)))
    ]


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def _draw(values: Values, path: Path) -> None:
    """Draw mask AP over the share, with a mark for each seed."""
    figure = new_figure(7, 4)
    axes = figure.subplots()
    lines = (
        ("masks and boxes", "C0", ("boxes", "mixed")),
        ("the masks alone", "C1", ()),
    )
    for label, color, kinds in lines:
        curve = {
            share: found
            for (kind, share), found in sorted(values.items(), key=lambda item: item[0][1])
            if kind in kinds or (kind == "masks" and (share == 100 or not kinds))
        }
        means = [statistics.fmean(found) for found in curve.values()]
        axes.plot(list(curve), means, "-", color=color, label=label)
        marks = [(share, value) for share, found in curve.items() for value in found]
        axes.plot([x for x, _ in marks], [y for _, y in marks], "o", color=color, alpha=0.5)
    whole = values.get(("masks", 100))
    if whole:
        level = _BAR / 100 * statistics.fmean(whole)
        axes.axhline(level, color="#e45756", linestyle="--", label=f"{_BAR}% of all masks")
    axes.set(xlabel="images with masks (%)", ylabel="mask AP")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)
    save_figure(figure, path)
