"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as "1 image" or "1,200 classes".

    Args:
        number: the count.
        noun: the singular.
        plural: the plural; by default the singular with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
