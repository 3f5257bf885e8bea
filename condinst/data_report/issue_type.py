"""One kind of issue, as an entry of the catalog."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IssueType"]


@dataclass(frozen=True)
class IssueType:
    """One kind of issue.

    Attributes:
        key: the identifier in JSON and CSV files.
        title: a few words for headings.
        status: "error", "warning" or "ok".
        meaning: the consequence for training, as a clause without a full stop.
        fix: what ``--fix`` does; empty if it changes nothing.
    """

    key: str
    title: str
    status: str
    meaning: str
    fix: str
