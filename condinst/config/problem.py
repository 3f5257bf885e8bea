"""The error for a wrong config, and the words of its messages."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_MAX_VALUE = 80  # characters of a value in a message
_MAX_NAMES = 14  # names in a message


class ConfigError(ValueError):
    """A user's mistake in a config: one line that names the key, the value and what is expected."""


_IN_RUN = "_condinst_in_run"


def mark_in_run(error: Exception) -> None:
    """Note on an error that it came in the middle of a run, so that it keeps its traceback."""
    setattr(error, _IN_RUN, True)


def came_in_run(error: Exception) -> bool:
    """Tell whether :func:`mark_in_run` was called with this error."""
    return getattr(error, _IN_RUN, False)


def show(value: Any) -> str:
    """Return a value as it stands in a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 4]} ..."


def join(path: str, key: object) -> str:
    """Return the path of a key below another."""
    return f"{path}.{key}" if path else str(key)


def near(name: str, known: Iterable[str], cutoff: float = 0.7) -> str | None:
    """Return the known name that was probably meant: similar, or one starts with the other."""
    known = sorted({str(k) for k in known})
    lowered = {k.lower(): k for k in reversed(known)}
    close = difflib.get_close_matches(name.lower(), lowered, 1, cutoff)
    if close:
        return lowered[close[0]]
    short = [k for k in known if len(name) >= 5 and (k.startswith(name) or name.startswith(k))]
    return next((k for k in short if min(len(k), len(name)) >= 4), None)


def is_typo(name: str, meant: str) -> bool:
    """Tell whether two names differ by a typo: by two letters at most, or by their order."""
    one, other = Counter(name.lower()), Counter(meant.lower())
    return sum(((one - other) + (other - one)).values()) <= 2


def unknown(path: str, value: Any, owner: str, known: Sequence[str]) -> str:
    """Return the message for a key that ``owner`` does not have."""
    key = path.rpartition(".")[2]
    meant = near(key, known)
    text = f"{path}={show(value)}: {owner} has no {key!r}"
    if meant:
        return f"{text}; did you mean {meant!r}?"
    names = ", ".join(sorted(known)[:_MAX_NAMES]) + (", ..." if len(known) > _MAX_NAMES else "")
    return f"{text}; expected one of {names}" if known else f"{text}; expected nothing"


def wrong(path: str, value: Any, expected: str) -> str:
    """Return the message for a value that cannot be used."""
    return f"{path}={show(value)}: expected {expected}"


def near_misses(path: str, node: dict, names: Sequence[str]) -> Iterator[str]:
    """Report typos of known keys in a dict that may have other keys too."""
    for key, value in node.items():
        if key not in names:
            meant = near(str(key), names, 0.8)
            if meant:
                yield f"{join(path, key)}={show(value)}: did you mean {meant!r}?"
