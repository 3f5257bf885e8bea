"""Times as people write them: 30m, 1.5h, 2h30m."""

from __future__ import annotations

import re

__all__ = ["UNKNOWN", "parse_duration", "show_duration"]

UNKNOWN = "unknown"
"""What stands in a log for a time that is not known yet."""

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_WORDS = (r"d(?:ays?)?", r"h(?:rs?|ours?)?", r"m(?:ins?|inutes?)?", r"s(?:ecs?|econds?)?")
_PART = r"(\d{1,9}(?:\.\d{1,9})?)\s*"
_WHOLE = re.compile(r"\s*".join(f"(?:{_PART}{word})?" for word in _WORDS), re.ASCII)
_LONGEST = 366 * 86400


def parse_duration(text: str) -> float:
    """Return the seconds of a time such as 30m, 1.5h, 90s, 2h30m, 45 min or 1d.

    Raises:
        ValueError: the text is no such time, or not longer than 0 s and at most 366 days.
    """
    found = _WHOLE.fullmatch(text.strip().lower())
    parts = zip(_UNITS.values(), found.groups(), strict=True) if found else ()
    seconds = sum(unit * float(part) for unit, part in parts if part is not None)
    if not 0 < seconds <= _LONGEST:
        unit = "; a number needs its unit" if re.fullmatch(r"[\d.]+", text.strip()) else ""
        raise ValueError(
            f"expected a time such as 30m, 1.5h, 90s or 2h30m, up to 366d, got {text!r:.60}{unit}"
        )
    return seconds


def show_duration(seconds: float) -> str:
    """Return a time in its two largest units, as in 2h30m; below a minute, seconds alone."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    parts: list[str] = []
    rest = round(seconds)
    for name, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        if count or parts:
            parts.append(f"{count}{name}" if count else "")
    return "".join(parts[:2])
