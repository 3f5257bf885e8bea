"""Refuse a checkpoint while it is read."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any


def show(value: object) -> str:
    """Describe a value for a message; ``repr`` of lists that hold each other may never end."""
    return repr(value[:40]) if isinstance(value, str) else f"a {type(value).__name__}"


def demand(condition: object, name: str) -> None:
    """Refuse the pickle because of what it names, unless the condition holds."""
    if not condition:
        raise UnpicklingError(f"GLOBAL {name} is not allowed")


def expect(condition: object, found: str) -> None:
    """Refuse the pickle because of a value in it, unless the condition holds."""
    if not condition:
        raise UnpicklingError(found)


def are_sizes(values: Any) -> bool:
    """Tell whether a value is a tuple or list of whole numbers from 0 to 2**40."""
    return isinstance(values, tuple | list) and all(
        type(value) is int and 0 <= value < 1 << 40 for value in values
    )
