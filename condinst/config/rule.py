"""Say what an ``assert`` without a message has expected: mmdet checks many settings so."""

from __future__ import annotations

import ast
import linecache
import traceback
from typing import Any

from condinst.config.problem import show

__all__ = ["broken_rule"]


def broken_rule(error: AssertionError) -> str | None:
    """Return the condition of the ``assert`` that failed, and the values of its names.

    Returns:
        ``expected num_outs >= self.num_ins, got num_outs=2, self.num_ins=4``; None where there is
        no source to read it from.
    """
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except (SyntaxError, ValueError, RecursionError):
        return None
    rules = [
        node.test
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or line)
    ]
    if not rules:
        return None
    values = dict(_values(rules[-1], frame.f_locals))
    got = ", ".join(f"{name}={show(value)}" for name, value in values.items())
    return f"expected {ast.unparse(rules[-1])}" + (f", got {got}" if got else "")


def _values(rule: ast.expr, known: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the plain values of the names, and of the attributes of ``self``, in a condition."""
    found: list[tuple[str, Any]] = []
    for node in ast.walk(rule):
        if isinstance(node, ast.Name) and node.id in known:
            found.append((node.id, known[node.id]))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = known.get(node.value.id)
            attributes = getattr(owner, "__dict__", {})
            if node.attr in attributes:
                found.append((f"{node.value.id}.{node.attr}", attributes[node.attr]))
    plain = (bool, int, float, str, list, tuple, type(None))
    return [(name, value) for name, value in found if isinstance(value, plain)]
