"""An extension of griffe, which reads docstrings for the docs site: roles become links or code."""

from __future__ import annotations

import functools
import re
from typing import Any

import docs_site
import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc|ref):`~?([\w.]+)`")


class Roles(griffe.Extension):
    """Replaces the roles of reStructuredText, such as ``:class:`condinst.Results```."""

    def on_instance(self, *, obj: Any, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(_replacement, obj.docstring.value)


def _replacement(match: re.Match[str]) -> str:
    name = match[1].rpartition(".")[2]
    place = _names().get(name)
    return f"[`{name}`][{place}]" if place else f"`{name}`"


@functools.cache
def _names() -> dict[str, str]:
    return docs_site.all_names()
