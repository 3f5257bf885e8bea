"""Hold the doctor's findings and format them as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from condinst.utils.names import printable

OK, WARNING, ERROR = "ok", "warning", "error"
_MARKS = {OK: "[ok]  ", WARNING: "[warn]", ERROR: "[FAIL]"}
_COLORS = {OK: "\033[32m", WARNING: "\033[33m", ERROR: "\033[31m"}

_NAME_WIDTH = 18


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        group: the heading in the report.
        name: what was checked.
        status: "ok", "warning" (it works, with drawbacks) or "error" (a run will fail).
        value: what was found.
        advice: what to do; empty if nothing is needed.
    """

    group: str
    name: str
    status: str
    value: str
    advice: str = ""


def worst(findings: Sequence[Finding]) -> str:
    """Return the most severe status."""
    return max((f.status for f in findings), key=[OK, WARNING, ERROR].index, default=OK)


def as_text(findings: Sequence[Finding], color: bool = False, before: str | None = None) -> str:
    """Format findings for a terminal: headings, a mark and advice for each finding.

    Args:
        findings: all, or those of one step.
        color: whether the marks are colored.
        before: the group of the last finding that was printed; None if there is none.
    """
    lines: list[str] = []
    group, width = before, _NAME_WIDTH
    for found in findings:
        if found.group != group:
            lines += [found.group] if group is None else ["", found.group]
            group = found.group
            width = max([_NAME_WIDTH, *(len(f.name) for f in findings if f.group == group)])
        mark = _MARKS[found.status]
        if color:
            mark = f"{_COLORS[found.status]}{mark}\033[0m"
        first, *more = map(printable, found.value.split("\n"))
        lines.append(f"  {mark} {found.name:{width}} {first}".rstrip())
        lines += [f"{'':{width + 10}}{line}" for line in more]
        lines += [
            f"{'':{width + 10}}-> {line}" for line in map(printable, found.advice.splitlines())
        ]
    return "\n".join(lines)


def count_issues(findings: Sequence[Finding]) -> str:
    """Return the numbers of errors and warnings as a sentence's part."""
    counts = {status: sum(f.status == status for f in findings) for status in (ERROR, WARNING)}
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts.items())


def as_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the report as values that JSON can hold."""
    return {"status": worst(findings), "findings": [asdict(f) for f in findings]}
