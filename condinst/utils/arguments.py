"""Check the arguments of functions that users call: one line says what is wrong with a value."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import os
import reprlib
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

__all__ = ["check_number", "check_path", "check_whole", "did_you_mean", "hinting", "shown"]

_LONGEST = 100  # characters
P = ParamSpec("P")
T = TypeVar("T")

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def shown(value: Any) -> str:
    """Return a value as it stands in a message: short, in one line, an array by its shape."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:  # a single number is shown itself
        return f"<{type(value).__name__} of shape {tuple(shape)}>"
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def check_path(name: str, value: Any, expected: str) -> str:
    """Return a path as text.

    Args:
        name: of the argument.
        value: the argument.
        expected: what the argument may be, for the message.

    Raises:
        TypeError: the value is no path.
        ValueError: the path is an empty text.
    """
    path = value
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
    if not isinstance(path, str):
        raise TypeError(f"{name}={shown(value)}: expected {expected}")
    if not path:
        raise ValueError(f"{name}={path!r}: expected {expected}")
    return path


def check_whole(name: str, value: Any, least: int = 1, more: str = "") -> int:
    """Return a whole number that is not too small.

    Args:
        name: of the argument.
        value: the argument.
        least: the smallest number.
        more: what else the argument may be, for the message.

    Raises:
        TypeError: the value is no whole number.
        ValueError: the number is too small.
    """
    text = f"{name}={shown(value)}: expected a whole number, {least} or more{more}"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(text) from None
    if isinstance(value, bool):
        raise TypeError(text)
    if number < least:
        raise ValueError(text)
    return number


def check_number(name: str, value: Any, expected: str, low: float, high: float = math.inf) -> float:
    """Return a number from a range, both ends included.

    Args:
        name: of the argument.
        value: the argument.
        expected: the range in words, for the message.
        low, high: the ends.

    Raises:
        TypeError: the value is no number.
        ValueError: the number lies outside the range.
    """
    text = f"{name}={shown(value)}: expected a number {expected}"
    if isinstance(value, bool | str | bytes):
        raise TypeError(text)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(text) from None
    if not low <= number <= high:
        raise ValueError(text)
    return number


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean NAME?" for a name that is nearly one of the known, else ""."""
    if name.startswith("_"):  # asked for by programs, not by people
        return ""
    import difflib

    public = [word for word in known if not word.startswith("_")]
    close = difflib.get_close_matches(name, public, 1, 0.7)
    return f"; did you mean {close[0]}?" if close else ""


def hinting(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method of ``Results``: an unknown argument gets a hint, under the public name.

    The methods are defined in classes that users do not know.
    """
    parameters = list(inspect.signature(function).parameters)
    known = [name for name in parameters if name != "self"]
    function.__qualname__ = name = f"Results.{function.__name__}"

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> T:
        for option in options:
            if option not in parameters:
                way = did_you_mean(option, known) or f"; it takes {', '.join(known) or 'none'}"
                raise TypeError(f"{name}: no argument {option!r}{way}")
        return function(*args, **options)

    return call
