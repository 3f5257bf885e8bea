"""Format lines of a config file: values as Python code, reasons as comments."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

WIDTH = 100


def line(code: str, why: str = "", indent: int = 0) -> list[str]:
    """Return code with its reason behind it, or above it if both do not fit in a line."""
    margin = " " * indent
    if not why:
        return [margin + code]
    both = f"{margin}{code}  # {why}"
    if len(both) <= WIDTH:
        return [both]
    return [*comment(why, indent), margin + code]


def comment(why: str, indent: int = 0) -> list[str]:
    """Return a reason as comment lines; no lines for an empty reason."""
    margin = " " * indent
    texts = textwrap.wrap(why, WIDTH - indent - 2, break_on_hyphens=False)
    return [f"{margin}# {text}" for text in texts]


def value(content: Any) -> str:
    """Return a plain value as code, with dicts as ``dict(...)`` and strings in double quotes."""
    if isinstance(content, dict):
        return "dict(" + ", ".join(f"{k}={value(v)}" for k, v in content.items()) + ")"
    if isinstance(content, str):
        return json.dumps(content, ensure_ascii=False)
    if isinstance(content, list):
        return "[" + ", ".join(map(value, content)) + "]"
    if isinstance(content, tuple):
        inner = ", ".join(map(value, content))
        return f"({inner},)" if len(content) == 1 else f"({inner})"
    return repr(content)


def codes(content: dict[str, Any]) -> dict[str, str]:
    """Return the code of each value."""
    return {key: value(entry) for key, entry in content.items()}


def dict_lines(
    head: str,
    items: dict[str, str],
    more: Sequence[str] = (),
    *,
    why: str = "",
    indent: int = 0,
    tail: str = "",
) -> list[str]:
    """Return ``head`` followed by a dict, in one line if it fits, else with its items below.

    Args:
        head: the text before the dict, such as ``"train_set = "``.
        items: the code of each value.
        more: further arguments, such as ``"**common"``.
        why: the reason, as a comment.
        indent: number of spaces before the first line.
        tail: the text after the dict, such as a comma.
    """
    margin = " " * indent
    arguments = [f"{key}={code}" for key, code in items.items()] + list(more)
    inner = ", ".join(arguments)
    if indent + len(f"{head}dict({inner}){tail}") <= WIDTH:
        return line(f"{head}dict({inner}){tail}", why, indent)
    fits = indent + 4 + len(inner) <= WIDTH
    body = [f"{margin}    {inner}"] if fits else wrapped(arguments, indent + 4)
    return [*line(f"{head}dict(", why, indent), *body, f"{margin}){tail}"]


def wrapped(items: Sequence[str], indent: int = 4) -> list[str]:
    """Return items with commas, as many in each line as fit."""
    lines = [""]
    for item in items:
        if lines[-1] and indent + len(lines[-1]) + len(item) + 1 > WIDTH:
            lines.append("")
        lines[-1] += f"{item}, "
    return [" " * indent + text.rstrip() for text in lines]
