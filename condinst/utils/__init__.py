"""Helpers for files, names, memory and pages that several packages share."""

__all__: list[str] = []  # for this package alone
