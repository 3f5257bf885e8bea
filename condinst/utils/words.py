"""Numbers in sentences, and messages of the system without their numbers."""

from __future__ import annotations

import ast
import os
import re

__all__ = ["counted", "without_error_numbers"]

_QUOTED = r"""b?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_NUMBERED = re.compile(
    r"\[(?:Errno|WinError) -?\d+\] (?P<reason>[^\n:\[]*)"
    rf"(?:: (?P<name>{_QUOTED})(?: -> (?P<other>{_QUOTED}))?)?"
)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as "1 image" or "1,200 classes".

    Args:
        number: the count.
        noun: the singular.
        plural: the plural; by default the singular with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def without_error_numbers(text: str) -> str:
    """Return a message with "FILE: reason" in place of Python's "[Errno 13] reason: 'FILE'".

    A file that the text before has named is not repeated.
    """

    def plain(match: re.Match[str]) -> str:
        names = [_unquoted(name) for name in (match["name"], match["other"]) if name]
        before = match.string[: match.start()]
        named = " -> ".join(names) if not names or names[0] not in before else ""
        return f"{named}: {match['reason']}" if named else match["reason"]

    return _NUMBERED.sub(plain, text)


def _unquoted(name: str) -> str:
    value = ast.literal_eval(name)
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
